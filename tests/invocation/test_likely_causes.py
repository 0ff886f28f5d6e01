"""The likely cause of errors with misleading SDK texts: the cause and the place, in addition to the SDK's text."""

import asyncio
import gc
import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import azure.durable_functions as df
import grpc
import pytest
from durabletask import task
from durabletask.client import AsyncTaskHubGrpcClient, TaskHubGrpcClient
from durabletask.internal.helpers import new_failure_details
from first_turn import MODES, turn

from durable_host.worker.entity_functions import FailedOperations
from durable_host.worker.likely_causes import likely_cause
from durable_host.worker.suspect import short_place


def told(orchestrator: Callable[..., Any], mode: str, input: Any = None, *more: dict[str, Any]) -> dict[str, Any]:
    answer = turn(orchestrator, mode, input, *more)
    return answer.get("failed") or answer["raised"]


def lines_of(function: Callable[..., Any]) -> range:
    code = function.__code__
    return range(code.co_firstlineno, max(line for *_, line in code.co_lines() if line) + 1)


def waits(context):
    return (yield context.wait_for_external_event("Approval"))


def parses(context):
    return json.loads((yield context.wait_for_external_event("Approval")))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("data", ["notjson", '{"a":', "[1,2"])
def test_an_event_whose_data_is_not_json_is_named(mode: str, data: str) -> None:
    failure = told(waits, mode, None, {"EventType": 15, "Name": "Approval", "Input": data})
    assert failure["type"] == "JSONDecodeError"
    assert failure["hint"].startswith("The data of the event 'Approval' is not JSON.")


@pytest.mark.parametrize("mode", MODES)
def test_text_that_the_code_itself_cannot_parse_is_not_blamed_on_the_event(mode: str) -> None:
    failure = told(parses, mode, None, {"EventType": 15, "Name": "Approval", "Input": '"notjson"'})
    assert (failure["type"], failure["hint"]) == ("JSONDecodeError", None)


class Order:
    """Its data are JSON text of its own, inside the text of the event."""

    @staticmethod
    def to_json(order: "Order") -> str:
        return "{}"

    @staticmethod
    def from_json(data: str) -> "Order":
        json.loads(data)
        return Order()


@pytest.mark.parametrize("mode", MODES)
def test_json_that_the_apps_from_json_cannot_read_is_not_blamed_on_the_sender(mode: str) -> None:
    data = json.dumps({"__class__": "Order", "__module__": Order.__module__, "__data__": "notjson"})
    failure = told(waits, mode, None, {"EventType": 15, "Name": "Approval", "Input": data})
    assert (failure["type"], failure["hint"]) == ("JSONDecodeError", None)


def subscript(context):
    result = context.call_activity("A")
    return result["a"]


def compare(context):
    if context.call_activity("A") > 3:
        yield


def returns_task(context):
    return context.call_activity("A")


def passes_task(context):
    yield context.call_activity("B", context.call_activity("A"))


def yield_from_task(context):
    return (yield from context.call_activity("A"))


def yields_list(context):
    yield [context.call_activity("A")]


def yields_generator(context):
    yield subscript_later(context)


def subscript_later(context):
    yield context.call_activity("A")


def yields_number(context):
    yield 5


def no_list(context):
    yield context.task_all(context.call_activity("A"))


def no_tasks(context):
    yield context.task_any([1])


def entity_by_name(context):
    yield context.call_entity("Counter", "add")


def no_retry_options(context):
    yield context.call_activity_with_retry("A", "input")


def naive_due_time(context):
    yield context.create_timer(datetime(2030, 1, 1))


def duration(context):
    yield context.create_timer(timedelta(hours=1))


def exhausted(context):
    next(iter([]))
    yield


def bad_argument(context):
    yield context.call_activity("A", {"when": datetime.now()})


def bad_status(context):
    context.set_custom_status(datetime.now())
    yield context.call_activity("A")


def reads_input(context):
    return context.get_input()


def returns_date(context):
    return {"a": [1, {"when": datetime(2026, 1, 1)}]}


def returns_generator(context):
    return [subscript_later(context)]


def returns_tuple_key(context):
    return {(1, 2): 3}


def returns_circle(context):
    circle: list[Any] = []
    circle.append(circle)
    return circle


async def asynchronous(context):
    return 1


async def asynchronous_generator(context):
    yield 1


@pytest.fixture
def _collects_at_the_end() -> Iterator[None]:
    """What nobody awaits is collected after the test. Elsewhere the interpreter cannot always warn of it, for example
    in the named tuples of `dis`, and then the test fails.
    """
    gc.disable()
    yield
    gc.collect()
    gc.enable()


FORGOTTEN = "probably a `yield` is missing"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("orchestrator", "text", "cause"),
    [
        (subscript, "'AtomicTask' object is not subscriptable", FORGOTTEN),
        (compare, "'>' not supported between instances of 'AtomicTask' and 'int'", FORGOTTEN),
        (returns_task, "Object of type AtomicTask is not JSON serializable", FORGOTTEN),
        (passes_task, "does not expose a `to_json` function", FORGOTTEN),
        (yield_from_task, "'AtomicTask' object is not iterable", "Use `yield`, not `yield from`"),
        (yields_list, "'list' object has no attribute '_is_scheduled'", "`yield context.task_all([...])`"),
        (yields_generator, "'generator' object has no attribute", "write `yield from`"),
        (yields_number, "'int' object has no attribute '_is_scheduled'", "yields a value of type int"),
        (no_list, "'AtomicTask' object is not iterable", "take one list of tasks"),
        (no_tasks, "'int' object has no attribute 'parent'", "take one list of tasks"),
        (entity_by_name, "'str' object has no attribute 'name'", "`df.EntityId(name, key)`"),
        (no_retry_options, "'str' object has no attribute 'to_json'", "`df.RetryOptions(...)`"),
        (naive_due_time, "can't compare offset-naive", "`context.current_utc_datetime + timedelta(...)`"),
        (duration, "'>' not supported between", "`context.current_utc_datetime + timedelta(...)`"),
        (exhausted, "generator raised StopIteration", "finds no more items"),
        (
            bad_argument,
            "does not expose a `to_json` function",
            "it has a value of type datetime",
        ),
        (bad_status, "does not expose a `to_json` function", "The custom status or a call's argument of 'bad_status'"),
        (returns_date, "datetime is not JSON serializable", "result['a'][1]['when'] is of type datetime"),
        (returns_generator, "generator is not JSON serializable", "to run one write `yield from`"),
        (returns_tuple_key, "keys must be str", "a key of result is of type tuple"),
        (returns_circle, "Circular reference detected", "circular reference"),
        (asynchronous, "coroutine is not JSON serializable", "is 'async def'"),
        (asynchronous_generator, "async_generator is not JSON serializable", "is 'async def'"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.usefixtures("_collects_at_the_end")
def test_a_sentence_names_cause_and_place(mode: str, orchestrator: Any, text: str, cause: str) -> None:
    failure = told(orchestrator, mode)
    assert text in failure["message"]
    assert cause in failure["hint"]
    place = re.search(r"test_likely_causes\.py:(\d+)", failure["hint"])
    assert place is not None
    assert int(place[1]) in lines_of(orchestrator)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("input", "given"),
    [(5, "a bare number"), (1.5, "a bare number"), (True, "a bare true or false"), ([1], "an array"), ("abc", "text")],
)
def test_an_input_that_get_input_cannot_read_is_explained(mode: str, input: Any, given: str) -> None:
    failure = told(reads_input, mode, input)
    assert f"The instance was started, probably over HTTP, with {given}" in failure["hint"]
    assert re.search(r"get_input\(\) at \S*test_likely_causes\.py:\d+", failure["hint"])


@pytest.mark.parametrize("mode", MODES)
def test_the_line_that_returns_what_is_not_json_is_named(mode: str) -> None:
    _, body = lines_of(returns_date)
    assert f"'returns_date' ({short_place(__file__, body)})" in told(returns_date, mode)["hint"]


@pytest.mark.parametrize("mode", MODES)
def test_the_line_that_yields_no_task_is_the_place_of_the_error(mode: str) -> None:
    failure = told(yields_number, mode)
    _, body = lines_of(yields_number)
    assert (failure["file"], failure["line"], failure["users"]) == (__file__, body, False)


def speaks_for_itself(context):
    raise ValueError("boom")


def names_a_task(context):
    raise Exception("Activity function 'A' failed: TypeError: Object of type set is not JSON serializable \n details")


def names_an_entity(context):
    raise Exception("Entity function 'e' failed: TypeError: class <class 'set'> does not expose a `to_json` function")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("orchestrator", [speaks_for_itself, names_a_task, names_an_entity])
def test_other_errors_get_no_sentence(mode: str, orchestrator: Any) -> None:
    assert told(orchestrator, mode)["hint"] is None


def yields_nothing(context):
    yield


def yields_signal(context):
    yield context.signal_entity(df.EntityId("Counter", "k"), "add")


@pytest.mark.parametrize("orchestrator", [yields_nothing, yields_signal])
def test_a_yield_that_never_returns_is_warned_of(orchestrator: Any) -> None:
    answer = turn(orchestrator, "live")
    (warning,) = answer["warnings"]
    assert "and never continues: `yield` takes the tasks" in warning
    assert "test_likely_causes.py" in answer["position"]


def test_a_value_that_an_activity_returns_is_named_with_its_function() -> None:
    def activity(value):
        return {datetime(2026, 1, 1)}

    cause = TypeError("class <class 'set'> does not expose a `to_json` function")
    error = ValueError("activity trigger output must be json serializable ({...})")
    error.__cause__ = cause
    hint = likely_cause(error, activity)
    assert hint is not None
    assert "The value that 'activity' (" in hint
    assert "a value of type set" in hint


def test_a_failed_call_of_the_2x_sdk_is_not_explained_by_the_text_of_other_code() -> None:
    def calls(context, _):
        text = "class <class 'set'> does not expose a `to_json` function"
        raise task.TaskFailedError(text, new_failure_details(ValueError(text)))

    with pytest.raises(task.TaskFailedError) as caught:
        calls(None, None)
    assert likely_cause(caught.value, calls, kind="orchestrator") is None


def test_a_missing_yield_with_the_2x_sdk_is_explained() -> None:
    def compares(context, _):
        made: Any = task.CompletableTask()
        return made > 3

    with pytest.raises(TypeError) as caught:
        compares(None, None)
    assert "probably a `yield` is missing" in (likely_cause(caught.value, compares, kind="orchestrator") or "")


def test_the_apps_own_json_error_is_left_alone() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps({1, 2})
    assert likely_cause(caught.value, lambda: None) is None


def entity(context):
    if context.operation_name == "read":
        context.get_input()
    elif context.operation_name == "raise":
        raise KeyError("wrong_key")
    context.set_result(1)


def batch(*operations: tuple[str, str | None]) -> str:
    items = [{"name": name, "input": input, "isSignal": False} for name, input in operations]
    return json.dumps({"self": {"name": "entity", "key": "k"}, "exists": False, "state": None, "batch": items})


def test_operations_that_raise_are_noted_and_answered_as_before() -> None:
    handle, failed = df.Entity.create(entity), FailedOperations()
    text = batch(("raise", None), ("ok", None), ("read", "5"), ("read", None))
    watched, plain = json.loads(failed.watching(handle)(text)), json.loads(handle(text))
    for one in (*watched["results"], *plain["results"]):
        del one["startTime"], one["duration"]
    assert watched == plain
    assert failed.count == 3
    first, number, nothing = failed.reported
    assert (first["operation"], first["type"], first["message"]) == ("raise", "KeyError", "'wrong_key'")
    assert first["file"].endswith("test_likely_causes.py")
    assert "azure" not in first["stack"]
    assert "with a bare number, and get_input() at" in number["hint"]
    assert "was sent without input" in nothing["hint"]


def test_of_many_operations_that_raise_the_first_are_kept() -> None:
    failed = FailedOperations()
    failed.watching(df.Entity.create(entity))(batch(*[("raise", None)] * 100))
    assert (len(failed.reported), failed.count) == (20, 100)


def test_an_error_that_ends_processes_has_one_traceback():
    def leaves(context):
        raise SystemExit(3)
        yield

    assert told(leaves, "live")["stack"].count("Traceback (most recent call last):") == 1


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def starts(port: int) -> None:
    TaskHubGrpcClient(host_address=f"127.0.0.1:{port}").schedule_new_orchestration("orch")


def starts_async(port: int) -> None:
    async def run() -> None:
        async with AsyncTaskHubGrpcClient(host_address=f"127.0.0.1:{port}") as client:
            await client.schedule_new_orchestration("orch")

    asyncio.run(run())


@pytest.mark.parametrize("function", [starts, starts_async])
def test_client_that_reaches_no_grpc_endpoint(function: Callable[[int], None]) -> None:
    port = _closed_port()
    with pytest.raises(grpc.RpcError) as raised:
        function(port)
    cause = likely_cause(raised.value, function)
    assert cause is not None
    assert f"did not reach the gRPC endpoint of the host at 127.0.0.1:{port}." in cause
    assert "--grpc-port 0" in cause


def calls_another_service(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        channel.unary_unary("/Other/Call")(b"")


def test_grpc_error_of_the_apps_own_calls_has_no_likely_cause() -> None:
    with pytest.raises(grpc.RpcError) as raised:
        calls_another_service(_closed_port())
    assert likely_cause(raised.value, calls_another_service) is None
