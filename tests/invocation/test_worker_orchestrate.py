"""Turns of orchestration sessions through the pool and the worker."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from loop_time import skip
from worker_apps import messages, running

from durable_host.invocation.errors import FunctionFailed, FunctionTimedOut

APP = {
    "function_app.py": """
        import logging, threading
        import azure.durable_functions as df
        app = df.DFApp()
        STUCK = threading.Event()

        @app.orchestration_trigger("context")
        def chain(context):
            logging.info("running %s", context.instance_id)
            first = yield context.call_activity("a", 1)
            return first

        @app.orchestration_trigger("context")
        def stuck(context):
            STUCK.set()
            threading.Event().wait()
            yield

        @app.generic_trigger("g", type="someTrigger")
        def wait_stuck(g):
            return str(STUCK.wait(20))
        """
}


def event(kind: int, **fields: Any) -> dict[str, Any]:
    return {"EventType": kind, "EventId": -1, "IsPlayed": False, "Timestamp": "2024-01-01T00:00:00Z", **fields}


def turn(key: str = "k") -> dict[str, Any]:
    history = [
        event(12),
        event(
            0,
            Name="chain",
            Input=None,
            OrchestrationInstance={"InstanceId": "i", "ExecutionId": "e"},
            ParentInstance=None,
            Version="",
            Tags=None,
        ),
    ]
    payload = {
        "history": history,
        "input": None,
        "instanceId": "i",
        "isReplaying": False,
        "parentInstanceId": None,
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 2,
    }
    return {"key": key, "until": 2, "newFrom": 0, "payload": json.dumps(payload)}


async def test_turn_runs_in_the_worker_with_its_logs_attributed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    async with running(tmp_path, APP) as app:
        answer = await app.pool.orchestrate("chain", turn(), instance_id="i")
        state = answer["state"] if isinstance(answer["state"], dict) else json.loads(answer["state"])
        assert state["isDone"] is False
        app.pool.forget_session("k")
        assert "state" in await app.pool.orchestrate("chain", turn(), key="k")
    assert messages(caplog, "Function.chain.User") == ["running i", "running i"]
    [first, *_] = [record for record in caplog.records if record.name == "Function.chain.User"]
    assert (first.function, first.instance_id) == ("chain", "i")  # type: ignore[attr-defined]


async def test_turn_of_an_unknown_function_fails(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        with pytest.raises(FunctionFailed, match="the app has no function 'gone'"):
            await app.pool.orchestrate("gone", turn())


async def test_turn_that_never_ends_times_out_and_the_others_continue(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        stuck = asyncio.create_task(app.pool.orchestrate("stuck", turn("s"), timeout=60))
        assert await app.text("wait_stuck") == "True"
        skip(60)
        with pytest.raises(FunctionTimedOut):
            await stuck
        assert "state" in await app.pool.orchestrate("chain", turn())
