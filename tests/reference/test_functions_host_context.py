"""What a function of the real Functions host sees of its worker. Each test names its row of the reference page
`functions-host`.
"""

import os
from pathlib import Path

import azure.functions as func
import pytest

import durable_host.worker
from durable_host.config import load
from durable_host.invocation.worker_options import WorkerOptions
from durable_host.invocation.worker_process import worker_environment
from durable_host.worker.sdk import Sdk


def test_the_trace_context_has_no_attributes() -> None:
    """functions-host 26: the trace context has no attributes"""
    context: func.Context = Sdk().context({"i": "id", "f": "hello", "tp": "00-a-b-01", "ts": "s=1"}, "/app")
    trace = context.trace_context
    assert (trace.trace_parent, trace.trace_state, trace.attributes) == ("00-a-b-01", "s=1", {})
    assert trace.Attributes == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FUNCTIONS_APPLICATION_DIRECTORY", os.path.join(os.sep, "app")),
        ("FUNCTIONS_WORKER_DIRECTORY", str(Path(durable_host.worker.__file__).parent)),
    ],
)
def test_the_environment_names_the_folders_of_app_and_worker(name: str, value: str) -> None:
    """functions-host 28: the environment names the folders of app and worker"""
    options = WorkerOptions(root=Path(os.sep, "app"), executable=Path("python"), environment={name: "mine", "A": "1"})
    environment = worker_environment(options)
    assert (environment[name], environment["A"]) == (value, "1")


@pytest.mark.differs("worker-version")
def test_the_version_of_the_runtime_is_that_of_core_tools(tmp_path: Path) -> None:
    """functions-host 28: stays different, the real host alone sets no `FUNCTIONS_WORKER_RUNTIME_VERSION`"""
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    assert load(tmp_path, environ={}).settings.get("FUNCTIONS_WORKER_RUNTIME_VERSION") == "3.x"
