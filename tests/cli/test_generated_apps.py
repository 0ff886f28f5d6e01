"""A real worker loads the code of every template."""

import os
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Func

from durable_host.cli.scaffold.template_catalog import TEMPLATES, Model, of_model
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.worker_process import WorkerOptions

pytestmark = pytest.mark.process

DRIVE = """
import json, os, urllib.request

def ask(url, data=None):
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")

def output_of(urls):
    while True:
        status = ask(urls["statusQueryGetUri"])
        if status["runtimeStatus"] not in ("Pending", "Running"):
            return status["output"]

base = os.environ["FUNC_BASE_URL"]
print(output_of(ask(base + "/api/Squares?count=10", b"")))
urls = ask(base + "/api/Budget", b'{"item": "laptop"}')
ask(urls["sendEventPostUri"].replace("{eventName}", "Approval"), b"true")
print(output_of(urls))
"""


async def loaded(root: Path) -> IndexResult:
    pool = WorkerPool(WorkerOptions(root=root, executable=Path(sys.executable), environment=dict(os.environ)))
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
    names = {template.default_name for template in of_model("V1")}
    assert {function.name for function in index.functions} == names | {"Orchestrator_step"}


def test_a_v1_orchestrator_runs_to_its_end(func: Func, folder: Path, connection_string: str, monkeypatch: Any):
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    assert func("init", "--python", "--model", "V1").code == 0
    assert func("new", "-t", "Durable Functions orchestrator", "-n", "Work").code == 0
    assert func("new", "-t", "Durable Functions HTTP starter", "-n", "Start").code == 0
    lines = DRIVE.splitlines()
    drive = [*lines[: lines.index('base = os.environ["FUNC_BASE_URL"]') + 1]]
    drive.append('print(output_of(ask(base + "/api/orchestrators/Work", b"5")))')
    (folder / "drive.py").write_text("\n".join(drive))
    outcome = func("exec", "--", sys.executable, "drive.py")
    assert (outcome.code, outcome.out) == (0, "5\n"), outcome.err


def test_generated_patterns_run(func: Func, folder: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch):
    """The fan-out and the approval go through a real host to their ends."""
    monkeypatch.setenv("AzureWebJobsStorage", connection_string)
    assert func("init", "--python").code == 0
    assert func("new", "-t", "fan-out", "-n", "Squares").code == 0
    assert func("new", "-t", "approval", "-n", "Budget", "--queue-name", f"decisions-{uuid.uuid4().hex[:8]}").code == 0
    (folder / "drive.py").write_text(DRIVE)
    outcome = func("exec", "--", sys.executable, "drive.py")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines() == ["285", "Approved"]
