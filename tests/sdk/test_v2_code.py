"""`UserCode` of the 2.x SDK with a scripted worker."""

import asyncio
import base64
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from durable_host.durable.model.events import (
    ExecutionStarted,
    FailureDetails,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
)
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2 import V2UserCode
from durable_host.durable.user_code import (
    EntityBatch,
    EntityOperation,
    OrchestratorTurn,
    WorkItemAborted,
    numbers_its_actions,
)
from durable_host.invocation.errors import FunctionFailed, WorkerLost

STARTED = ExecutionStarted(orchestration_instance=OrchestrationInstance("i1", "e1"), name="code")


def text(message: Any) -> str:
    return base64.b64encode(message.SerializeToString()).decode()


class Worker:
    """What the worker is asked, and what it answers: a value, or an error to raise."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any] | None = None) -> None:
        self.asked: list[Any] = []
        self.forgotten: list[str] = []
        self._answer = answer or (lambda _: {"response": text(pb.OrchestratorResponse(instanceId="i1"))})

    async def orchestrate(self, function: str, payload: dict[str, Any], **_: Any) -> Any:
        return self._reply(payload)

    async def run_activity(self, function: str, trigger: str, **_: Any) -> Any:
        return self._reply(trigger)

    async def run_entity(self, function: str, trigger: str, **_: Any) -> Any:
        return self._reply(trigger)

    def forget_session(self, key: str) -> None:
        self.forgotten.append(key)

    def _reply(self, asked: Any) -> Any:
        self.asked.append(asked)
        answer = self._answer(asked)
        if isinstance(answer, Exception):
            raise answer
        return answer


def code_of(worker: Worker) -> V2UserCode:
    names = {"code": "code"}
    calls: Any = worker
    return V2UserCode(calls, orchestrators=names, activities=names, entities=names)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def turn(history: list[HistoryEvent], new_from: int, session: object) -> OrchestratorTurn:
    return OrchestratorTurn(
        instance_id="i1", execution_id="e1", name="CODE", history=history, new_from=new_from, session=session
    )


def request_in(asked: dict[str, Any]) -> pb.OrchestratorRequest:
    return pb.OrchestratorRequest.FromString(base64.b64decode(asked["payload"]))


def test_it_numbers_its_actions() -> None:
    assert numbers_its_actions(code_of(Worker()))


def test_second_turn_brings_only_what_the_worker_has_not_seen() -> None:
    worker, session = Worker(), object()
    code = code_of(worker)
    history: list[HistoryEvent] = [OrchestratorStarted(), STARTED]
    run(code.run_orchestrator(turn(history, 0, session)))
    history += [TaskScheduled(event_id=1, name="a"), OrchestratorCompleted()]
    history += [OrchestratorStarted(), TaskCompleted(task_scheduled_id=1)]
    run(code.run_orchestrator(turn(history, 4, session)))
    first, second = (request_in(one) for one in worker.asked)
    assert (len(first.pastEvents), len(first.newEvents), "from" in worker.asked[0]) == (0, 2, False)
    assert (len(second.pastEvents), len(second.newEvents), worker.asked[1]["from"]) == (2, 2, 2)


def test_all_of_history_is_sent_again_when_the_worker_needs_it() -> None:
    answers = [{"response": ""}, {"need": "history"}, {"response": ""}]
    worker, session = Worker(lambda _: answers.pop(0)), object()
    code = code_of(worker)
    history: list[HistoryEvent] = [OrchestratorStarted(), STARTED]
    run(code.run_orchestrator(turn(history, 0, session)))
    history += [OrchestratorCompleted(), OrchestratorStarted()]
    run(code.run_orchestrator(turn(history, 3, session)))
    whole = request_in(worker.asked[2])
    assert (len(whole.pastEvents), len(whole.newEvents)) == (3, 1)


@pytest.mark.parametrize("other", ["state", "forgotten", "fresh"])
def test_all_of_history_is_sent_when_the_session_is_another(other: str) -> None:
    worker, session = Worker(lambda _: {"response": "", "fresh": other == "fresh"}), object()
    code = code_of(worker)
    history: list[HistoryEvent] = [OrchestratorStarted(), STARTED]
    run(code.run_orchestrator(turn(history, 0, session)))
    if other == "forgotten":
        code.forget("i1", "e1")
        assert worker.forgotten == ["i1|e1"]
    history += [OrchestratorCompleted(), OrchestratorStarted()]
    run(code.run_orchestrator(turn(history, 3, object() if other == "state" else session)))
    assert "from" not in worker.asked[1]


def test_request_of_a_long_chain_is_as_small_at_its_end_as_at_its_beginning() -> None:
    worker, session = Worker(), object()
    code = code_of(worker)
    history: list[HistoryEvent] = [OrchestratorStarted(), STARTED]
    run(code.run_orchestrator(turn(history, 0, session)))
    for number in range(1000, 2000):
        history += [TaskScheduled(event_id=number, name="a"), OrchestratorCompleted()]
        history += [OrchestratorStarted(), TaskCompleted(task_scheduled_id=number)]
        run(code.run_orchestrator(turn(history, len(history) - 2, session)))
    sizes = {len(one["payload"]) for one in worker.asked[1:]}
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("answer", "type", "message"),
    [
        (FunctionFailed("ValueError", "No ExecutionStarted", "at"), "ValueError", "No ExecutionStarted"),
        ({"failed": {"type": "DecodeError", "message": "x", "stack": "at"}}, "DecodeError", "x"),
        ({"response": "not base64!"}, "FunctionInvocationFailed", "base64"),
        ({"response": base64.b64encode(b"\xff\xff").decode()}, "FunctionInvocationFailed", "OrchestratorResponse"),
        ({}, None, None),
    ],
)
def test_orchestrator_that_gives_no_usable_answer(answer: Any, type: str | None, message: str | None) -> None:
    told = run(code_of(Worker(lambda _: answer)).run_orchestrator(turn([OrchestratorStarted(), STARTED], 0, None)))
    if type is None:
        assert (told.error, list(told.actions)) == (None, []), "an empty response says that nothing is new"
        return
    assert told.failure_details.error_type == type
    assert message in told.failure_details.error_message


def test_lost_worker_gives_the_work_item_back() -> None:
    with pytest.raises(WorkItemAborted):
        run(code_of(Worker(lambda _: WorkerLost("gone"))).run_orchestrator(turn([STARTED], 0, None)))


def test_missing_orchestrator_fails_with_its_name() -> None:
    lost = OrchestratorTurn(instance_id="i1", execution_id="e1", name="nobody", history=[STARTED], new_from=0)
    assert "'nobody'" in run(code_of(Worker()).run_orchestrator(lost)).failure_details.error_message


@pytest.mark.parametrize("given", [None, ""])
def test_activity_without_input_gets_null(given: str | None) -> None:
    worker = Worker(lambda _: "1")
    run(code_of(worker).run_activity("code", given, instance_id="i1", task_id=1))
    assert worker.asked == ["null"]


@pytest.mark.parametrize(
    ("returned", "result"), [("null", None), (None, None), ('{"a": 1}', '{"a": 1}'), ('"é"', '"é"'), ("NaN", "NaN")]
)
def test_result_of_an_activity_is_its_own_text(returned: str | None, result: str | None) -> None:
    outcome = run(code_of(Worker(lambda _: returned)).run_activity("code", "1", instance_id="i1", task_id=1))
    assert (outcome.result, outcome.failure) == (result, None)


def test_failure_of_an_activity_has_the_short_type_and_the_whole_message() -> None:
    worker = Worker(lambda _: FunctionFailed("ValueError", "x\ny", "trace"))
    outcome = run(code_of(worker).run_activity("code", "1", instance_id="i1", task_id=1))
    assert outcome.failure == FailureDetails("ValueError", "x\ny", "trace")


BATCH = EntityBatch(
    name="code",
    key="k",
    exists=True,
    state="1",
    operations=[EntityOperation("a", None, False, id="r"), EntityOperation("b", "2", True)],
)


@pytest.mark.parametrize("bad", ["not base64!", FunctionFailed("TypeError", "x", ""), None])
def test_batch_that_fails_as_a_whole_is_tried_a_few_times_and_keeps_the_state(bad: Any) -> None:
    worker = Worker(lambda _: bad if bad is not None else base64.b64encode(b"\xff").decode())
    answer = run(code_of(worker).run_entity(BATCH))
    assert len(worker.asked) == 3
    assert (answer.exists, answer.state) == (True, "1")
    assert [one.failure.error_type for one in answer.results] == ["FunctionInvocationFailed"] * 2


def test_failure_of_a_batch_that_could_not_run_fails_its_operations() -> None:
    result = pb.EntityBatchResult(failureDetails=pb.TaskFailureDetails(errorType="E", errorMessage="no"))
    answer = run(code_of(Worker(lambda _: text(result))).run_entity(BATCH))
    assert [one.failure.error_type for one in answer.results] == ["E", "E"]
