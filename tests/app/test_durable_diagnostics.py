"""Warnings of the real host about instances in trouble, with the instance, the event and the time.

Source: docs/protocol/durable-actions.md#external-events, docs/protocol/durable-actions.md#early-events,
    docs/protocol/durable-replay.md#non-determinism, docs/protocol/durable-failures.md#unknown-functions
"""

import re
from collections.abc import Iterator

import pytest
from durable_world import HEADER, finished, output, raise_event, run, start_instance, wait_custom_status
from host_process import HostProcess, hub_settings, until, write_app

APP = (
    HEADER
    + """
@app.activity_trigger(input_name="value")
def echo(value):
    return value


@app.activity_trigger(input_name="value")
def release(value):
    return value


@app.orchestration_trigger(context_name="context")
def early(context):
    order = context.get_input()
    context.set_custom_status("before")
    yield context.wait_for_external_event("start")
    values = []
    for name in order:
        values.append((yield context.wait_for_external_event(name)))
    return values


@app.orchestration_trigger(context_name="context")
def case(context):
    context.set_custom_status("waiting")
    return (yield context.wait_for_external_event("Approval"))


@app.orchestration_trigger(context_name="context")
def changes(context):
    context.set_custom_status("waiting")
    yield context.call_activity("echo", 1)
    yield context.wait_for_external_event("go")


@app.orchestration_trigger(context_name="context")
async def asynchronous(context):
    return 1


@app.orchestration_trigger(context_name="context")
def unknown(context):
    what = context.get_input()
    try:
        if what == "activity":
            yield context.call_activity("nothing")
        elif what == "orchestrator":
            yield context.call_sub_orchestrator("nothing")
        else:
            yield context.call_entity(df.EntityId("nothing", "k"), "op")
    except Exception as error:
        return str(error)


@app.orchestration_trigger(context_name="context")
def goes_away(context):
    context.set_custom_status("waiting")
    yield context.wait_for_external_event("go")


@app.orchestration_trigger(context_name="context")
def not_a_task(context):
    yield 5


@app.activity_trigger(input_name="seconds")
async def blocks_the_loop(seconds):
    time.sleep(seconds)
    return "done"


@app.orchestration_trigger(context_name="context")
def blocked(context):
    return (yield context.call_activity("blocks_the_loop", 3))
"""
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("diagnostics") / "app", {"function_app.py": APP})
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start()
    host.end()


def warned(host: HostProcess, code: str, instance_id: str) -> str:
    """The line about the instance, which begins with a time."""
    line = host.wait_for(f"{code}.*'{re.escape(instance_id)}'")
    assert re.match(r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]", line), line
    return line


def waiting(host: HostProcess, name: str, status: str = "waiting", input: object = None) -> str:
    instance_id = start_instance(host, name, input)
    wait_custom_status(host, instance_id, status)
    return instance_id


def arrived(host: HostProcess, instance_id: str, count: int) -> None:
    """Wait until the history has this number of events."""

    def there() -> bool:
        return sum(one["EventType"] == "EventRaised" for one in host.status(instance_id)["historyEvents"]) >= count

    until(there, host=host)


def test_of_two_early_events_of_one_name_the_first_is_lost(host: HostProcess) -> None:
    instance_id = waiting(host, "early", "before", ["e"])
    for number, value in enumerate((1, 2), 1):
        raise_event(host, instance_id, "e", value)
        arrived(host, instance_id, number)
    raise_event(host, instance_id, "start")
    assert finished(host, instance_id)["output"] == [2]
    assert "Two events 'e' arrived before the orchestrator waited" in warned(host, "DH6110", instance_id)


def test_one_early_event_serves_two_waits(host: HostProcess) -> None:
    instance_id = waiting(host, "early", "before", ["e", "e"])
    raise_event(host, instance_id, "e", 1)
    arrived(host, instance_id, 1)
    raise_event(host, instance_id, "start")
    assert "gives the same event to every later wait" in warned(host, "DH6111", instance_id)
    raise_event(host, instance_id, "e", 2)  # As in Azure, only another event of that name continues the instance.
    assert finished(host, instance_id)["output"] == [1, 1]


def test_an_event_whose_name_differs_in_case_is_named(host: HostProcess) -> None:
    instance_id = waiting(host, "case")
    raise_event(host, instance_id, "approval", 1)
    line = warned(host, "DH6112", instance_id)
    assert "'approval'" in line
    assert "'Approval'" in line
    raise_event(host, instance_id, "Approval", 2)
    assert finished(host, instance_id)["output"] == 2
    assert "Potential duplicate" not in host.output


def test_an_event_that_nobody_consumed_is_named_at_the_end(host: HostProcess) -> None:
    instance_id = waiting(host, "case")
    raise_event(host, instance_id, "unknown", 1)
    arrived(host, instance_id, 1)
    raise_event(host, instance_id, "Approval", 2)
    finished(host, instance_id)
    assert "'unknown' was never consumed" in warned(host, "DH6113", instance_id)


def test_the_error_of_an_async_orchestrator_asks_for_a_generator(host: HostProcess) -> None:
    status = run(host, "asynchronous", wanted="Failed")
    assert status["output"].endswith("Object of type coroutine is not JSON serializable")
    line = warned(host, "DH6140", status["instanceId"])
    assert "'asynchronous' is 'async def'" in line


@pytest.mark.parametrize("kind", ["activity", "orchestrator", "entity"])
def test_calls_of_functions_that_do_not_exist_fail_with_those_that_do(host: HostProcess, kind: str) -> None:
    instance_id = start_instance(host, "unknown", kind)
    told = finished(host, instance_id)["output"]
    article = "a" if kind == "activity" else "an"
    assert f"doesn't exist, is disabled, or is not {article + 'n' if kind == 'activity' else article} {kind}" in told
    if kind == "activity":
        assert "'echo'" in told
    assert "doesn't exist" in warned(host, "DH6120", instance_id)


def test_yielding_what_is_not_a_task_fails_the_instance(host: HostProcess) -> None:
    assert "not_a_task" in run(host, "not_a_task", wanted="Failed")["output"]


def test_a_blocked_event_loop_is_named_with_its_function(host: HostProcess) -> None:
    assert output(host, "blocked") == "done"
    assert "blocks_the_loop" in host.wait_for("(?i)event loop.*block|block.*event loop")


def test_changed_code_is_found_out_with_row_line_and_causes(host: HostProcess) -> None:
    """Ends the shared host: it comes up again with other code."""
    changed, gone = waiting(host, "changes"), waiting(host, "goes_away")
    until(lambda: len(host.status(changed)["historyEvents"]) > 1, host=host)
    host.stop()
    other = APP.replace('yield context.call_activity("echo", 1)', 'yield context.call_activity("release", 1)')
    other = other.replace("def goes_away(", "def came_instead(")
    (host.root / "function_app.py").write_text(other, encoding="utf-8")
    host.start()
    raise_event(host, changed, "go")
    told = finished(host, changed, "Failed")["output"]
    assert told.startswith("Non-Deterministic workflow detected: A previous execution of this orchestration scheduled")
    assert "'echo', but the current orchestration replay instead scheduled an activity task named 'release'" in told
    line = warned(host, "DH6101", changed)
    assert "history row" in line
    assert "the code was changed since the instance started" in line
    number = other.splitlines().index('    yield context.call_activity("release", 1)') + 1
    assert re.search(rf"function_app\.py:{number}\b", line), line
    raise_event(host, gone, "go")
    assert "The function 'goes_away' doesn't exist" in finished(host, gone, "Failed")["output"]
    warned(host, "DH6120", gone)
