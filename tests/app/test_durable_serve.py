"""`func durable serve` as a process, with workers and clients of the Durable Task SDK for Python."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from durabletask import task
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.client import OrchestrationStatus
from func_command import run_func
from serve_world import PATIENCE, Served


@pytest.fixture
def serve(tmp_path: Path, connection_string: str) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(*arguments: str) -> Served:
        served = Served(tmp_path, {"AzureWebJobsStorage": connection_string}, *arguments)
        started.append(served)
        return served

    yield start
    for served in started:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)


def act_double(ctx: task.ActivityContext, number: int) -> int:
    return 2 * number


def approved(ctx: task.OrchestrationContext, number: int) -> Any:
    doubled = yield ctx.call_activity(act_double, input=number)
    return doubled + (yield ctx.wait_for_external_event("Go"))


def _worker(url: str) -> DurableTaskSchedulerWorker:
    worker = DurableTaskSchedulerWorker(host_address=url, taskhub="default", token_credential=None)
    worker.add_activity(act_double)
    worker.add_orchestrator(approved)
    return worker


def _client(url: str) -> DurableTaskSchedulerClient:
    return DurableTaskSchedulerClient(host_address=url, taskhub="default", token_credential=None)


@pytest.mark.parametrize("storage", ["sqlite", "azure"])
def test_a_killed_host_loses_nothing(serve: Callable[..., Served], storage: str) -> None:
    served = serve("--storage", storage)
    hub = "default"
    assert f"Connect:   Endpoint={served.url};TaskHub={hub};Authentication=None\n" in served.lines
    names = [f"{storage}-{number}" for number in range(20)]
    with _worker(served.url) as worker, _client(served.url) as client:
        worker.start()
        for number, name in enumerate(names):
            client.schedule_new_orchestration(approved, input=number, instance_id=name)
        for name in names[:10]:
            client.raise_orchestration_event(name, "Go", data=100)
        client.wait_for_orchestration_completion(names[0], timeout=PATIENCE)
        served.end(signal.SIGKILL)
    again = serve("--storage", storage, "--retain", "1d")
    assert any(f"Retention: instances of the task hub '{hub}' are purged 1d after" in line for line in again.lines)
    with _worker(again.url) as worker, _client(again.url) as client:
        worker.start()
        for name in names[10:]:
            client.raise_orchestration_event(name, "Go", data=100)
        for number, name in enumerate(names):
            state = client.wait_for_orchestration_completion(name, timeout=PATIENCE)
            assert (state.runtime_status, state.get_output()) == (
                OrchestrationStatus.COMPLETED,
                2 * number + 100,
            )
            client.purge_orchestration(name)
    assert again.end() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--task-hub-name", "no/hub"), 2, "error DH1010"),
        (("--task-hub-name", "hub", "--task-hub-name", "Hub"), 2, "names a task hub twice"),
        (("--retain", "soon"), 2, "--retain is 'soon', expected a duration such as"),
        (("--storage", "azure", "--path", "x.db"), 2, "--path works only with --storage sqlite"),
        (("--storage", "azure", "--connection-string-setting", "Nowhere"), 3, "Nowhere"),
    ],
)
def test_options_that_cannot_be_end_with_a_message(
    tmp_path: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    told = run_func("durable", "serve", "--port", "0", *arguments, folder=tmp_path, limit=PATIENCE)
    assert (told.returncode, text in told.stderr) == (code, True), told.stderr + told.stdout


def test_the_javascript_program_of_the_documentation_works(serve: Callable[..., Served], javascript: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "durable-task-workers.md").read_text("utf-8")
    program = re.search(r"```javascript\n(.*?)```", page, re.DOTALL)
    assert program is not None
    (javascript / "hello.mjs").write_text(program[1], "utf-8")
    served = serve()
    address = served.url.removeprefix("http://")
    done = subprocess.run(
        ["node", "hello.mjs", address], cwd=javascript, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.stdout == '["Hello Tokyo","Hello Paris"]\n', done.stdout + done.stderr
