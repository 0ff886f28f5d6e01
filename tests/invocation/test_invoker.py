"""The pipeline of an invocation.

Source: docs/protocol/functions-host-worker.md#exceptions,
    docs/protocol/functions-host-worker.md#time-outs,
    docs/protocol/functions-host-worker.md#retry-policies,
    docs/protocol/functions-host-cli.md#invocation-lines
"""

import asyncio
import json
import logging
import os
import random
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from worker_apps import RunningApp, eventually, http, messages, running

from durable_host.config.retry import RetryOptions
from durable_host.errors import HostError
from durable_host.invocation.bindings import BindingContext, BindingRegistry
from durable_host.invocation.datum import Datum, json_text, string
from durable_host.invocation.errors import FunctionFailed, FunctionTimedOut, WorkerLost
from durable_host.invocation.invoker import Invoker, Outcome, new_invocation_id, new_trace_parent
from durable_host.invocation.metadata import Binding
from durable_host.invocation.retries import delay_before
from durable_host.testing import VirtualClock

APP = """
import asyncio, json, os

@app.queue_trigger("m", queue_name="in", connection="")
@app.table_input("rows", table_name="T{key}", connection="")
@app.queue_output("first", queue_name="q1", connection="")
@app.queue_output("second", queue_name="q2", connection="")
@app.queue_output("$return", queue_name="q3", connection="")
def bound(m: str, rows: str, first: func.Out[str], second: func.Out[str]):
    first.set(m + rows)
    return ["a", "b"]

@app.route("f")
def hello(req): return func.HttpResponse("hi")

@app.generic_trigger("g", type="someTrigger")
def fails(g):
    raise ValueError("boom")

@app.generic_trigger("g", type="someTrigger")
def dies(g): os._exit(1)

@app.generic_trigger("g", type="someTrigger")
def dies_once(g, context):
    retry = context.retry_context
    if retry.retry_count == 0:
        os._exit(1)
    return f"{retry.retry_count} {retry.exception.message}"

@app.generic_trigger("g", type="someTrigger")
async def slow(g): await asyncio.sleep(60)

@app.generic_trigger("g", type="someTrigger")
def traced(g, context): return context.trace_context.trace_parent

ATTEMPTS = []

@app.retry("exponential_backoff", "4", minimum_interval="00:00:10", maximum_interval="00:00:25")
@app.generic_trigger("g", type="someTrigger")
def flaky(g, context):
    retry = context.retry_context
    ATTEMPTS.append([context.invocation_id, retry.retry_count, retry.max_retry_count, retry.rpc_exception.message])
    if len(ATTEMPTS) < int(g):
        raise ValueError("boom")
    return ATTEMPTS
"""


class Table:
    """An input binding that returns what it was asked for."""

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        if binding_data.get("key") == "bad":
            raise HostError("no table", cause="it is not there", remedy="make it")
        return json_text(json.dumps([binding.properties["tableName"], binding_data["key"], context.function.name]))


class Queue:
    """An output binding that keeps what is written."""

    def __init__(self) -> None:
        self.written: list[tuple[str, Datum]] = []

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        if binding_data.get("key") == "full":
            raise OSError("disk full")
        self.written.append((str(binding.text("queueName")), datum))


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def invoker(app: RunningApp, queue: Queue | None = None, **settings: Any) -> Invoker:
    registry = BindingRegistry(
        triggers={"queueTrigger"}, inputs={"Table": Table()}, outputs={"queue": queue or Queue()}
    )
    return Invoker(app.pool, registry, **settings)


async def run(app: RunningApp, function: str, text: str = "", **fields: Any) -> Outcome:
    settings = {name: fields.pop(name) for name in ("default_retry", "function_timeout", "clock") if name in fields}
    runner = fields.pop("invoker", None) or invoker(app, **settings)
    return await runner.invoke(
        app.function(function), trigger_value=fields.pop("trigger", string(text)), reason="because", **fields
    )


async def test_inputs_are_read_and_outputs_written(tmp_path: Path):
    queue = Queue()
    async with running(tmp_path, APP) as app:
        outcome = await run(app, "bound", "x", invoker=invoker(app, queue), binding_data={"key": "7"})
    told = '["T{key}", "7", "bound"]'
    assert queue.written == [("q3", json_text('["a", "b"]')), ("q1", string("x" + told))]
    assert outcome.return_value == json_text('["a", "b"]')
    assert outcome.outputs == {"first": string("x" + told)}


async def test_http_response_is_left_to_the_caller(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        outcome = await run(app, "hello", trigger=http())
    assert outcome.return_value is not None
    assert outcome.return_value.value.body == b"hi"


async def test_success_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, APP) as app:
        await run(app, "traced", invocation_id="id-1", details="MessageId: 1")
    first, details, last = messages(caplog, "Function.traced")
    assert first == "Executing 'Functions.traced' (Reason='because', Id=id-1)"
    assert details == "Trigger Details: MessageId: 1"
    assert re.fullmatch(r"Executed 'Functions.traced' \(Succeeded, Id=id-1, Duration=\d+ms\)", last)


async def test_failure_is_logged_with_the_users_frames_and_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, APP) as app:
        with pytest.raises(FunctionFailed, match="ValueError: boom"):
            await run(app, "fails", invocation_id="id-1", trigger_metadata={"instanceId": "inst"})
    executed, block = messages(caplog, "Function.fails", logging.ERROR)
    assert executed.startswith("Executed 'Functions.fails' (Failed, Id=id-1, Duration=")
    lines = block.split("\n")
    assert lines[:3] == [
        "Exception while executing function: Functions.fails.",
        "Exception: ValueError: boom",
        "Stack: Traceback (most recent call last):",
    ]
    assert "in fails" in lines[3]
    record = caplog.records[-1]
    assert (record.function, record.invocation_id, record.instance_id) == ("fails", "id-1", "inst")  # type: ignore[attr-defined]


async def test_input_binding_that_fails_fails_the_invocation(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, APP) as app:
        with pytest.raises(FunctionFailed) as failure:
            await run(app, "bound", binding_data={"key": "bad"})
    assert str(failure.value) == "HostError: no table"
    assert failure.value.stack.split("\n") == [
        "  while reading the input binding 'rows' (table)",
        "  it is not there",
        "  make it",
    ]
    assert "Exception: HostError: no table" in messages(caplog, "Function.bound", logging.ERROR)[1]


async def test_output_binding_that_fails_fails_the_invocation(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        with pytest.raises(FunctionFailed, match="OSError: disk full"):
            await run(app, "bound", binding_data={"key": "full"})


async def test_crash_of_the_worker_is_logged_as_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, APP) as app:
        with pytest.raises(WorkerLost):
            await run(app, "dies")
    assert "Exception: WorkerLost: The worker process ended with code 1" in messages(caplog, "Function.dies")[-1]


async def test_call_over_the_function_timeout_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, APP) as app:
        with pytest.raises(FunctionTimedOut):
            await run(app, "slow", function_timeout=0.1)
    assert "FunctionTimeoutException: Timeout value of" in messages(caplog, "Function.slow")[-1]


async def test_trace_parent_is_passed_on_or_made(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        given = await run(app, "traced", trace_parent="00-a-b-01")
        made = await run(app, "traced")
    assert given.return_value == string("00-a-b-01")
    assert made.return_value is not None
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", made.return_value.value)
    assert new_trace_parent() != new_trace_parent()


def test_an_invocation_id_is_a_random_uuid() -> None:
    ids = [new_invocation_id() for _ in range(100)]
    parsed = [uuid.UUID(one) for one in ids]
    assert [str(one) for one in parsed] == ids
    assert len(set(ids)) == 100
    assert {(one.version, one.variant) for one in parsed} == {(4, uuid.RFC_4122)}


def test_an_invocation_id_does_not_follow_a_seed_of_the_program() -> None:
    random.seed(1)
    first = new_invocation_id()
    random.seed(1)
    assert new_invocation_id() != first


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_creates_ids_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, new_invocation_id().encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading) as ids:
        theirs = ids.read()
    assert uuid.UUID(theirs).version == 4
    assert theirs != new_invocation_id()


async def test_failing_function_is_retried_with_new_ids_until_it_succeeds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    clock = VirtualClock()
    started = clock.now()
    async with running(tmp_path, APP) as app:
        call = asyncio.create_task(run(app, "flaky", "3", clock=clock))
        for delay in (10, 20):
            await _sleeping(clock)
            await clock.advance(delay + 4)
        outcome = await call
    assert outcome.return_value is not None
    attempts = json.loads(outcome.return_value.value)
    assert [attempt[1:] for attempt in attempts] == [[0, 4, ""], [1, 4, "ValueError: boom"], [2, 4, "ValueError: boom"]]
    assert len({attempt[0] for attempt in attempts}) == 3
    assert outcome.invocation_id == attempts[-1][0]
    assert clock.now() > started
    waits = [text for text in messages(caplog, "Function.flaky") if text.startswith("Waiting for")]
    assert waits[0] == (
        "Waiting for `00:00:10` before retrying function execution. Next attempt: '1'. Max retry count: '4'."
    )


async def test_used_up_policy_ends_in_the_last_error(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    policy = RetryOptions("fixedDelay", 2, delay_interval=0.0)
    async with running(tmp_path, APP) as app:
        with pytest.raises(FunctionFailed, match="ValueError: boom"):
            await run(app, "fails", default_retry=policy)
    assert len([text for text in messages(caplog, "Function.fails") if text.startswith("Executing")]) == 3
    assert messages(caplog, "Function.fails", logging.ERROR)[-1] == "Function execution failed after '2' retries."


async def test_a_lost_worker_counts_as_a_failure_of_the_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    policy = RetryOptions("fixedDelay", 1, delay_interval=0.0)
    async with running(tmp_path, APP) as app:
        outcome = await run(app, "dies_once", default_retry=policy)
    assert outcome.return_value == string("1 The worker process ended with code 1 (0x1) while it ran the function.")
    assert len([text for text in messages(caplog, "Function.dies_once") if text.startswith("Executing")]) == 2


async def test_cancellation_ends_the_retries(tmp_path: Path):
    clock = VirtualClock()
    async with running(tmp_path, APP) as app:
        call = asyncio.create_task(run(app, "fails", default_retry=RetryOptions("fixedDelay", -1, 60.0), clock=clock))
        await _sleeping(clock)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def _sleeping(clock: VirtualClock) -> None:
    await eventually(lambda: clock.next_due)


@pytest.mark.parametrize(
    ("retry", "jitter", "expected"),
    [(1, 1.2, 2.0), (2, 1.0, 4.0), (3, 1.0, 6.0), (4, 1.0, 10.0), (5, 1.0, 18.0), (3, 0.8, 5.2), (9, 1.0, 60.0)],
)
def test_exponential_delays(retry: int, jitter: float, expected: float):
    policy = RetryOptions("exponentialBackoff", 9, minimum_interval=2.0, maximum_interval=60.0)
    assert delay_before(policy, retry, lambda: jitter) == pytest.approx(expected)


def test_fixed_delays():
    policy = RetryOptions("fixedDelay", 9, delay_interval=5.0)
    assert [delay_before(policy, retry, lambda: 1.0) for retry in (1, 2, 9)] == [5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("binding", "served"),
    [
        (Binding("m", "QueueTrigger", "in"), True),
        (Binding("m", "otherTrigger", "in"), False),
        (Binding("t", "table", "in"), True),
        (Binding("t", "table", "out"), False),
        (Binding("q", "QUEUE", "out"), True),
        (Binding("$return", "http", "out"), True),
    ],
)
def test_registry_knows_what_it_serves(binding: Binding, served: bool):
    registry = BindingRegistry(triggers={"queueTrigger"}, inputs={"Table": Table()}, outputs={"queue": Queue()})
    assert registry.serves(binding) == served


ENTITY = """
import azure.durable_functions as df

app = df.DFApp()

def look(data): return data["wrong_key"]

@app.entity_trigger(context_name="context")
def counter(context):
    if context.operation_name == "bad":
        look({})
    if context.operation_name == "unwritable":
        context.set_state(object())
    context.set_result(1)
"""


async def run_entity(app: RunningApp, *operations: str) -> Outcome:
    batch = [{"name": name, "input": None, "isSignal": False} for name in operations]
    text = json.dumps({"self": {"name": "counter", "key": "k"}, "exists": False, "state": None, "batch": batch})
    return await run(app, "counter", text, invocation_id="id-1", trigger_metadata={"instanceId": "@counter@k"})


async def test_an_entity_whose_operations_raise_has_failed(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, {"function_app.py": ENTITY, "host.json": '{"version": "2.0"}'}) as app:
        outcome = await run_entity(app, "good", "bad", "bad")
        await run_entity(app, "good")
    assert outcome.return_value is not None
    assert [one["isError"] for one in json.loads(outcome.return_value.as_text() or "")["results"]] == [
        False,
        True,
        True,
    ]
    started, failed, _, succeeded = messages(caplog, "Function.counter")
    assert started == "Executing 'Functions.counter' (Reason='because', Id=id-1, InstanceId=@counter@k)"
    first, *lines = failed.split("\n")
    assert re.fullmatch(
        r"Executed 'Functions.counter' \(Failed, Id=id-1, InstanceId=@counter@k, Duration=\d+ms\)", first
    )
    half = len(lines) // 2
    assert lines[:half] == lines[half:]
    assert lines[:3] == ["Operation 'bad' failed.", "Exception: KeyError: 'wrong_key'", "Stack: " + lines[2][7:]]
    assert re.findall(r", in (\w+)", "\n".join(lines[:half])) == ["counter", "look"]
    assert succeeded.startswith("Executed 'Functions.counter' (Succeeded, Id=id-1, InstanceId=@counter@k, Duration=")
    record = next(one for one in caplog.records if one.levelno == logging.ERROR)
    assert (record.status, record.exception["type"]) == ("Failed", "KeyError")  # type: ignore[attr-defined]


async def test_an_entity_whose_state_is_not_json_is_explained(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with running(tmp_path, {"function_app.py": ENTITY, "host.json": '{"version": "2.0"}'}) as app:
        with pytest.raises(FunctionFailed, match="to_json"):
            await run_entity(app, "unwritable")
    block = messages(caplog, "Function.counter", logging.ERROR)[-1]
    assert "Likely cause: The state or result of 'counter' (function_app.py:" in block
