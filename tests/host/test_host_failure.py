"""A host whose durable runtime keeps failing ends, with the reason and an exit code."""

import asyncio
import os
from pathlib import Path

import pytest

from durable_host import supervision
from durable_host.config import StartOptions, load
from durable_host.config.overrides import Overrides
from durable_host.durable.runtime.runtime import DurableRuntime, RuntimeFailed
from durable_host.errors import EXIT_FAILURE
from durable_host.host import process_lifetime

APP = """
import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def flow(context):
    return 1
"""
HOST_JSON = '{"version": "2.0", "extensions": {"durableTask": {"storageProvider": {"type": "sqlite"}}}}'


@pytest.mark.process
def test_a_runtime_that_fails_for_good_ends_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: DurableRuntime) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError("an error of the runtime")

    monkeypatch.setattr(supervision, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(DurableRuntime, "_receive", fail)
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text(HOST_JSON)
    environ = {**os.environ, "FUNCTIONS_WORKER_RUNTIME": "python"}
    config = load(tmp_path, environ=environ, overrides=Overrides(port=0))
    with pytest.raises(RuntimeFailed) as failure:
        process_lifetime.run_host(config, StartOptions())
    assert failure.value.exit_code == EXIT_FAILURE
    assert failure.value.cause == "Last error: ZeroDivisionError: an error of the runtime"
