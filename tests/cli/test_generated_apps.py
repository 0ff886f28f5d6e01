"""Every template gives code that a real worker loads."""

import os
import sys
from pathlib import Path

import pytest

from durable_host.cli.scaffold.catalog import TEMPLATES, Model, of_model
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.worker_process import WorkerOptions
from cli_runs import Func


async def loaded(root: Path) -> IndexResult:
    pool = WorkerPool(WorkerOptions(root=root, python=Path(sys.executable), environment=dict(os.environ)))
    try:
        return await pool.start()
    finally:
        await pool.stop(0)


def make(func: Func, model: Model, *extra: str) -> None:
    assert func("init", "--python", "--model", model).code == 0
    for template in of_model(model):
        outcome = func("new", "-t", template.name_in(model) or "", "-n", template.default_name, *extra)
        assert outcome.code == 0, outcome.err


@pytest.mark.parametrize("extra", [(), ("--file", "parts/more.py")], ids=["function_app", "blueprint"])
async def test_app_with_all_templates_loads(func: Func, folder: Path, extra: tuple[str, ...]):
    make(func, "V2", *extra)
    index = await loaded(folder)
    assert index.failure is None
    assert index.errors == ()
    names = {function.name for function in index.functions}
    assert {template.default_name for template in TEMPLATES} <= names
    by_name = {function.name: function for function in index.functions}
    assert by_name["Approval_decide"].trigger.type == "queueTrigger"
    assert by_name["FanOut_start"].trigger.properties["route"] == "FanOut"
    assert by_name["Total_total"].trigger.properties["route"] == "Total/{key}"


async def test_v1_app_with_all_templates_loads(func: Func, folder: Path):
    make(func, "V1")
    index = await loaded(folder)
    assert index.failure is None
    assert index.errors == ()
    assert index.model == "v1"
    assert {function.name for function in index.functions} == {template.default_name for template in of_model("V1")}
