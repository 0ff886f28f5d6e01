"""Durable functions of a real app in virtual time: real worker process, real SDK, task hub in memory."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from durable_host.durable.api.errors import InstanceNotFound, UnknownFunction
from durable_host.errors import HostError
from durable_host.invocation.errors import FunctionFailed
from durable_host.testing import StillRunning, VirtualHost
from durable_host.testing.memory_backend import MemoryBackend

APP = """
import json
from datetime import timedelta

import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def approval(context: df.DurableOrchestrationContext):
    context.set_custom_status("waiting")
    approved = context.wait_for_external_event("Approval")
    expired = context.create_timer(context.current_utc_datetime + timedelta(days=3))
    first = yield context.task_any([approved, expired])
    if first == expired:
        return {"status": "expired", "at": context.current_utc_datetime.isoformat()}
    expired.cancel()
    decision = approved.result
    if isinstance(decision, str):  # from the SDK's client
        decision = json.loads(decision)
    return {"status": "decided", "by": decision["by"]}


@app.orchestration_trigger(context_name="context")
def patient(context: df.DurableOrchestrationContext):
    retry = df.RetryOptions(first_retry_interval_in_milliseconds=3_600_000, max_number_of_attempts=3)
    return (yield context.call_activity_with_retry("flaky", retry, context.instance_id))


tries = {}


@app.activity_trigger(input_name="key")
def flaky(key: str) -> int:
    tries[key] = tries.get(key, 0) + 1
    if tries[key] < 3:
        raise ValueError("not yet")
    return tries[key]


@app.orchestration_trigger(context_name="context")
def wide(context: df.DurableOrchestrationContext):
    results = yield context.task_all([context.call_activity("double", n) for n in range(20)])
    return sum(results)


@app.activity_trigger(input_name="n")
def double(n: int) -> int:
    return 2 * n


@app.orchestration_trigger(context_name="context")
def eternal(context: df.DurableOrchestrationContext):
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    context.continue_as_new((context.get_input() or 0) + 1)


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext):
    context.set_state(context.get_state(lambda: 0) + context.get_input())


@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start_http(req: func.HttpRequest, client) -> func.HttpResponse:
    instance_id = await client.start_new("approval", instance_id="by-http", client_input=req.get_json())
    return func.HttpResponse(instance_id, status_code=202)


@app.queue_trigger(arg_name="message", queue_name="approval-queue", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
async def ApprovalQueueProcessor(message: func.QueueMessage, client) -> None:
    body = message.get_json()
    await client.raise_event(body["instanceId"], "Approval", body)


@app.activity_trigger(input_name="text")
def broken(text: str) -> str:
    raise RuntimeError("broken for good")
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualHost]:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    with VirtualHost(root, settings={"AzureWebJobsStorage": "UseDevelopmentStorage=true"}) as host:
        yield host


def test_three_days_of_waiting_pass_at_once(host: VirtualHost) -> None:
    instance_id = host.start("approval", {"amount": 100})
    before = host.now
    host.advance(days=2, hours=23)
    found = host.status(instance_id)
    assert (found.status, found.custom_status, found.input) == ("Running", "waiting", {"amount": 100})
    host.advance(timedelta(hours=1, seconds=1))
    found = host.status(instance_id)
    assert found.status == "Completed"
    assert found.output["status"] == "expired"
    expired_at = datetime.fromisoformat(found.output["at"]).replace(tzinfo=UTC)
    assert timedelta(days=3) <= expired_at - before < timedelta(days=3, seconds=2)


def test_time_does_not_go_back(host: VirtualHost) -> None:
    with pytest.raises(ValueError, match="Time cannot go back"):
        host.advance(days=-1)


def test_an_event_is_answered_before_the_call_returns(host: VirtualHost) -> None:
    instance_id = host.start("approval")
    host.raise_event(instance_id, "Approval", {"by": "ada"})
    assert host.status(instance_id).output == {"status": "decided", "by": "ada"}


def test_a_message_decides_through_the_apps_own_function(host: VirtualHost) -> None:
    answer = host.run("start_http", {"amount": 5})
    assert answer == {"status": 202, "body": "by-http"}
    host.run("approvalqueueprocessor", {"instanceId": "by-http", "by": "queue"})
    assert host.wait("by-http").output == {"status": "decided", "by": "queue"}


def test_wait_jumps_over_the_intervals_of_retries(host: VirtualHost) -> None:
    before = host.now
    found = host.wait(host.start("patient", instance_id="patient-1"))
    assert (found.status, found.output) == ("Completed", 3)
    assert host.now - before >= timedelta(hours=2)


def test_activities_run_while_time_stands_still(host: VirtualHost) -> None:
    before = host.now
    assert host.wait(host.start("wide")).output == 380
    assert host.now == before


def test_waiting_for_an_event_that_nobody_sends_ends_with_the_reason(host: VirtualHost) -> None:
    instance_id = host.start("approval")
    host.suspend(instance_id)
    with pytest.raises(StillRunning, match=r"approval.*Suspended.*nothing else is due"):
        host.wait(instance_id)
    host.resume(instance_id)
    assert host.wait(instance_id).output["status"] == "expired"


def test_waiting_for_an_eternal_orchestration_ends_at_the_limit(host: VirtualHost) -> None:
    instance_id = host.start("eternal")
    with pytest.raises(StillRunning, match="1 day, 0:00:00 of virtual time"):
        host.wait(instance_id, limit=timedelta(days=1))
    assert host.status(instance_id).input == 24
    host.terminate(instance_id, "enough")
    assert host.status(instance_id).status == "Terminated"


def test_entities_keep_their_state(host: VirtualHost) -> None:
    for number in (1, 2, 3):
        host.signal_entity("counter", "a", "add", number)
    assert host.entity_state("counter", "a") == 6
    assert host.entity_state("counter", "b") is None


def test_names_that_do_not_exist_are_reported(host: VirtualHost) -> None:
    with pytest.raises(InstanceNotFound):
        host.status("nobody")
    with pytest.raises(UnknownFunction, match="approval"):
        host.start("nothing")
    with pytest.raises(LookupError, match="start_http"):
        host.run("nothing")


def test_a_failing_function_raises(host: VirtualHost) -> None:
    with pytest.raises(FunctionFailed, match="broken for good"):
        host.run("broken", "x")


async def test_asynchronous_tests_can_use_it_too(host: VirtualHost) -> None:
    assert host.wait(host.start("wide")).output == 380


def test_an_app_that_does_not_load_says_why_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text("import azure.functions as func\n\napp = func.FunctionApp(\n")
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    before = set(threading.enumerate())
    with pytest.raises(HostError) as raised, VirtualHost(tmp_path):
        pass
    assert "function_app.py" in "\n".join([str(raised.value), *raised.value.__notes__])
    left = set(threading.enumerate()) - before
    for thread in left:
        # The one in which asyncio waits for a child process ends a moment after it has told of its end.
        thread.join(30)
    assert not [thread for thread in left if thread.is_alive()]


def test_without_a_with_statement_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="with statement"):
        VirtualHost().start("x")


TIMER_APP = """
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def waits(context):
    yield context.wait_for_external_event("Never")


@app.timer_trigger(arg_name="timer", schedule="0 * * * * *")
def each_minute(timer: func.TimerRequest):
    pass
"""


def test_timers_of_the_app_do_not_keep_a_wait_from_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBackend, "looks_after", 5)
    (tmp_path / "function_app.py").write_text(TIMER_APP)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with VirtualHost(tmp_path) as host:
        instance_id = host.start("waits")
        with pytest.raises(StillRunning, match="nothing else is due"):
            host.wait(instance_id)
