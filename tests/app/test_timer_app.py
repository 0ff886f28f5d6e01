"""Timer functions through `func start`.

Source: docs/protocol/functions-host-timers.md#schedule-status, docs/protocol/functions-host-timers.md#timer-runs
"""

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient
from host_process import HostProcess, until, write_app

StartHost = Callable[..., HostProcess]

APP = """
import json
import azure.functions as func

app = func.FunctionApp()


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
@app.queue_output(arg_name="out", queue_name="%OUT_QUEUE%", connection="AzureWebJobsStorage")
def yearly(timer: func.TimerRequest, out: func.Out[str]) -> None:
    out.set(json.dumps({"past_due": timer.past_due, "schedule": timer.schedule, "status": timer.schedule_status}))
    print("yearly ran, past due:", timer.past_due)
"""


def function_app(decorators: str, body: str, parameter: str = "timer: func.TimerRequest") -> dict[str, str]:
    text = f"import azure.functions as func\nimport logging\n\napp = func.FunctionApp()\n\n\n{decorators}\n"
    return {"function_app.py": f"{text}def tick({parameter}) -> None:\n    {body}\n"}


@pytest.fixture
def host_id() -> str:
    return f"h{uuid.uuid4().hex[:16]}"


@pytest.fixture
def settings(host_id: str) -> dict[str, str]:
    return {"AzureFunctionsWebHost__hostid": host_id, "TZ": "UTC"}


@pytest.fixture
def hosts_blobs(connection_string: str, host_id: str) -> Callable[[str], dict[str, str] | None]:
    """Reads a timer's status blob."""
    service = BlobServiceClient.from_connection_string(connection_string)

    def read(function: str) -> dict[str, str] | None:
        blob = service.get_blob_client("azure-webjobs-hosts", f"timers/{host_id}/Host.Functions.{function}/status")
        return json.loads(blob.download_blob().readall()) if blob.exists() else None

    return read


def test_a_timer_fires_every_second_and_survives_its_failures(start_host: StartHost, settings: dict[str, str]) -> None:
    app = function_app(
        '@app.timer_trigger(arg_name="timer", schedule="* * * * * *")',
        "logging.info('status %s', timer.schedule_status); raise ValueError('boom')",
    )
    host = start_host(app, "--verbose", settings=settings)
    host.wait_for(r"The next 5 occurrences of the 'tick' schedule \(Cron: '\* \* \* \* \* \*'\) will be:")
    until(lambda: host.output.count("Exception: ValueError: boom") >= 3, host=host)
    assert "Executing 'Functions.tick' (Reason='Timer fired at 20" in host.output
    assert "status {}" in host.output


def test_a_fresh_timer_writes_its_status_and_does_not_run(
    start_host: StartHost, settings: dict[str, str], hosts_blobs: Callable[[str], dict[str, str] | None]
) -> None:
    host = start_host({"function_app.py": APP}, "--verbose", settings={**settings, "OUT_QUEUE": "unused-queue"})
    status = until(lambda: hosts_blobs("yearly"), host=host)
    assert status["Last"] == "0001-01-01T00:00:00+00:00"
    assert status["Next"].endswith("-01-01T00:00:00+00:00")
    host.wait_for("The next 5 occurrences of the 'yearly' schedule")
    assert host.stop() == 0
    assert "yearly ran" not in host.output


def test_a_missed_occurrence_is_made_up_for_once_at_start(
    start_host: StartHost, settings: dict[str, str], connection_string: str, host_id: str
) -> None:
    blobs = BlobServiceClient.from_connection_string(connection_string)
    container = blobs.get_container_client("azure-webjobs-hosts")
    if not container.exists():
        container.create_container()
    missed = {
        "Last": "2020-01-01T00:00:00.0012345+00:00",
        "Next": "2021-01-01T00:00:00+00:00",
        "LastUpdated": "2020-01-01T00:00:00.0012345+00:00",
    }
    name = f"timers/{host_id}/Host.Functions.yearly/status"
    container.upload_blob(name, json.dumps(missed))
    host = start_host({"function_app.py": APP}, "--verbose", settings={**settings, "OUT_QUEUE": f"q{uuid.uuid4().hex}"})
    host.wait_for("yearly ran, past due: True")
    host.wait_for("UnscheduledInvocationReason: IsPastDue, OriginalSchedule: 2021-01-01T00:00:00.0000000\\+00:00")
    host.wait_for("Executed 'Functions.yearly' \\(Succeeded")
    after = until(
        lambda: (found := json.loads(container.download_blob(name).readall()))["Last"] > "2021" and found, host=host
    )
    assert after["Last"] == after["LastUpdated"]
    host.stop()
    again = start_host(host.root, "--verbose", settings={**settings, "OUT_QUEUE": f"q{uuid.uuid4().hex}"})
    again.wait_for("The next 5 occurrences of the 'yearly' schedule")
    again.stop()
    assert "yearly ran" not in again.output


def test_run_on_startup_runs_at_once_and_says_why(start_host: StartHost, settings: dict[str, str]) -> None:
    app = function_app(
        '@app.schedule(arg_name="timer", schedule="%WHEN%", run_on_startup=True)', "print('past due', timer.past_due)"
    )
    host = start_host(app, "--verbose", settings={**settings, "WHEN": "1.00:00:00"})
    host.wait_for("past due False")
    host.wait_for("UnscheduledInvocationReason: RunOnStartup")
    host.wait_for(r"schedule \(Constant: 1.00:00:00\)")


@pytest.mark.parametrize("further", [{}, {"AzureWebJobsStorage__queueServiceUri": "http://127.0.0.1:9/queues"}])
def test_timers_fire_without_storage_for_blobs(
    start_host: StartHost, settings: dict[str, str], further: dict[str, str]
) -> None:
    app = function_app('@app.timer_trigger(arg_name="timer", schedule="* * * * * *")', "print('fired')")
    host = start_host(app, "--verbose", settings={**settings, "AzureWebJobsStorage": "", **further})
    host.wait_for("timers run without a monitor")
    host.wait_for("fired")


def test_timers_fire_while_storage_does_not_answer(start_host: StartHost, settings: dict[str, str]) -> None:
    app = function_app('@app.timer_trigger(arg_name="timer", schedule="* * * * * *")', "print('fired')")
    nobody = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:9/a;"
    host = start_host(app, "--verbose", settings={**settings, "AzureWebJobsStorage": nobody})
    host.wait_for("The lock 'Host.Functions.tick.Listener' cannot be renewed")
    until(lambda: host.output.count("fired") >= 3, host=host)
    assert host.output.count("cannot be renewed") == 1


@pytest.mark.parametrize("schedule", ["0 0 0 * * 7", "whenever"])
def test_a_bad_schedule_is_an_error_of_its_function_only(
    start_host: StartHost, settings: dict[str, str], schedule: str
) -> None:
    app = function_app(f'@app.timer_trigger(arg_name="timer", schedule="{schedule}")', "pass")
    app["function_app.py"] += '\n\n@app.route()\ndef hello(req: func.HttpRequest) -> str:\n    return "hi"\n'
    host = start_host(app, "--verbose", settings=settings)
    host.wait_for(
        f"The 'tick' function is in error: The schedule expression '{schedule.replace('*', chr(92) + '*')}' was not "
        "recognized as a valid cron expression or timespan string"
    )
    assert host.get("/api/hello").text == "hi"


def test_a_failing_timer_is_tried_again_by_its_retry_policy(start_host: StartHost, settings: dict[str, str]) -> None:
    app = function_app(
        '@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)\n'
        '@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")',
        "print('try', context.retry_context.retry_count); raise ValueError('boom')",
        "timer: func.TimerRequest, context: func.Context",
    )
    host = start_host(app, "--verbose", settings=settings)
    host.wait_for("Function execution failed after '2' retries.")
    until(lambda: all(f"try {count}" in host.output for count in range(3)), host=host)


def test_a_timer_runs_by_hand(start_host: StartHost, settings: dict[str, str]) -> None:
    app = function_app(
        '@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")', "print('by hand', timer.past_due)"
    )
    host = start_host(app, "--verbose", settings=settings)
    answer = host.post("/admin/functions/tick?wait=true", json={})
    assert answer.json()["status"] == "Succeeded"
    host.wait_for("by hand False")


def test_the_text_of_the_request_and_generic_triggers_are_served(
    start_host: StartHost, settings: dict[str, str]
) -> None:
    app = function_app(
        '@app.generic_trigger(arg_name="timer", type="timerTrigger", schedule="0 0 0 1 1 *", runOnStartup=True)',
        "print('text', timer)",
        "timer: str",
    )
    host = start_host(app, "--verbose", settings=settings)
    line = host.wait_for(r"text \{")
    info = json.loads(line[line.index("{") :])
    assert info["Schedule"] == {"AdjustForDST": True}
    assert info["ScheduleStatus"]["Last"] == info["ScheduleStatus"]["LastUpdated"] == "0001-01-01T00:00:00+00:00"
    assert info["IsPastDue"] is False


def test_a_v1_timer_runs(start_host: StartHost, settings: dict[str, str]) -> None:
    binding = {"name": "timer", "type": "timerTrigger", "direction": "in", "schedule": "* * * * * *"}
    host = start_host(
        {
            "old/__init__.py": "def main(timer) -> None:\n    print('old timer', timer.past_due)\n",
            "old/function.json": json.dumps({"bindings": [binding]}),
        },
        settings=settings,
    )
    host.wait_for("old timer False")


def test_only_one_of_two_hosts_fires_and_the_other_takes_over_when_it_is_killed(
    tmp_path: Path, connection_string: str, settings: dict[str, str]
) -> None:
    root = write_app(
        tmp_path / "app", function_app('@app.timer_trigger(arg_name="timer", schedule="* * * * * *")', "print('fired')")
    )
    environment = {**settings, "AzureWebJobsStorage": connection_string, "FUNCTIONS_WORKER_RUNTIME": "python"}
    first, second = HostProcess(root, environment), HostProcess(root, environment)
    try:
        first.start().wait_for("fired")
        second.start("--verbose").wait_for("Another host of this app holds the lock 'Host.Functions.tick.Listener'")
        until(lambda: first.output.count("fired") >= 3, host=first)
        assert "fired" not in second.output
        killed = first.pid
        first.kill()
        second.wait_for(f"was held by process {killed}, which has died; this host holds it now")
        second.wait_for("fired")
    finally:
        first.kill()
        second.kill()


def test_a_warmup_function_runs_once_at_start(start_host: StartHost, settings: dict[str, str]) -> None:
    app = function_app('@app.warm_up_trigger("warmup")', "print('warm')", "warmup")
    host = start_host(app, "--verbose", settings=settings)
    host.wait_for("warm$")
    host.wait_for("Executed 'Functions.tick' \\(Succeeded")
    assert host.output.count("Executing 'Functions.tick'") == 1
