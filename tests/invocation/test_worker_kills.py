"""Worker processes that are killed on purpose."""

import logging
from pathlib import Path

import pytest
from worker_apps import messages, running

from durable_host.durable.sdk.app_code import aborted
from durable_host.invocation.errors import WorkerLost
from durable_host.invocation.kills import Kill

pytestmark = pytest.mark.usefixtures("started_workers")

APP = """
import os

@app.generic_trigger("g", type="someTrigger")
def pid(g): return os.getpid()

@app.generic_trigger("g", type="someTrigger")
def writes(g):
    with open("written", "a") as file:
        file.write("once ")

@app.generic_trigger("g", type="someTrigger")
def fails(g): raise ValueError("no")
"""


@pytest.mark.parametrize("kill", ["before", "after"])
async def test_a_killed_worker_loses_its_call_and_a_new_one_is_there_at_once(
    tmp_path: Path, kill: Kill, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[str, str | None]] = []

    def kills(function: str, instance_id: str | None) -> Kill | None:
        asked.append((function, instance_id))
        return kill if len(asked) == 2 else None

    async with running(tmp_path, APP) as app:
        app.pool.kills = kills
        old = await app.text("pid")
        with pytest.raises(WorkerLost, match="it was killed on purpose") as lost:
            await app.text("pid", trigger_metadata={"instanceId": "order-7"})
        assert await app.text("pid") != old
    assert asked == [("pid", None), ("pid", "order-7"), ("pid", None)]
    assert aborted(lost.value).lost is None, "the function is not suspected"
    assert messages(caplog, "Host.Worker", logging.ERROR) == []


@pytest.mark.parametrize("function", ["writes", "fails"])
async def test_a_worker_killed_after_a_call_has_run_it_to_its_end(tmp_path: Path, function: str) -> None:
    async with running(tmp_path, APP) as app:
        app.pool.kills = lambda name, _: "after" if name == function else None
        with pytest.raises(WorkerLost, match="it was killed on purpose"):
            await app.text(function)
        assert await app.text("pid")
    if function == "writes":
        assert (tmp_path / "written").read_text() == "once "
