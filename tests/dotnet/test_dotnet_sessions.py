"""Extended sessions: the worker keeps orchestrators between turns, and the host sends only what is new."""

from typing import Any

import pytest
from recorded_turns import INSTANCE, Orchestration, encoded, request, response, shape

from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.model.events import EventRaised, TaskCompleted
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.proto import StringValue, pb
from durable_host.durable.sdk.dotnet_turns import DotnetSettings
from durable_host.durable.user_code import WorkItemAborted
from durable_host.invocation.errors import WorkerLost

KEPT = DotnetSettings(session_seconds=60)
NEEDS_HISTORY = pb.OrchestratorResponse(instanceId=INSTANCE, requiresHistory=True)
ANOTHERS = encoded(pb.OrchestratorResponse(instanceId="another"))
NOTHING = pb.OrchestratorResponse(instanceId=INSTANCE)


def chain(*script: Any, settings: DotnetSettings = KEPT, options: EngineOptions | None = None) -> Orchestration:
    return Orchestration("Chain", "3", *script, settings=settings, options=options)


def schedules(*numbers: int) -> pb.OrchestratorResponse:
    actions = [
        pb.OrchestratorAction(
            id=number, scheduleTask=pb.ScheduleTaskAction(name="IntActivity", input=StringValue(value="[0]"))
        )
        for number in numbers
    ]
    return pb.OrchestratorResponse(instanceId=INSTANCE, actions=actions)


def result(number: int) -> TaskCompleted:
    return TaskCompleted(task_scheduled_id=number, result=str(number + 1))


def histories_sent(one: Orchestration) -> list[bool]:
    return [each["IncludeState"] for each in one.worker.properties()]


async def test_turns_of_a_session_are_the_recorded_ones() -> None:
    one = chain(*(f"extended-session-{number}" for number in range(4)))
    await one.begin()
    for number in range(3):
        await one.deliver(result(number))
    for number, sent in enumerate(one.worker.requests):
        expected = request(f"extended-session-{number}")
        assert shape(sent.pastEvents) == shape(expected.pastEvents)
        assert shape(sent.newEvents) == shape(expected.newEvents)
        names = ("IsExtendedSession", "ExtendedSessionIdleTimeoutInSeconds", "IncludeState")
        assert [sent.properties[name] for name in names] == [expected.properties[name] for name in names]
    assert one.state.is_terminal


@pytest.mark.differs("dotnet-sessions")
async def test_a_step_costs_the_same_at_the_end_of_a_long_chain_as_at_its_beginning() -> None:
    steps = 1000
    one = chain(*(schedules(number) for number in range(steps)), "extended-session-3")
    await one.begin()
    for number in range(steps):
        await one.deliver(TaskCompleted(task_scheduled_id=number, result="1"))
    first, *later = one.worker.requests
    assert len(later) == steps, "one request for each step"
    assert len(first.newEvents) == 2
    assert {(len(sent.pastEvents), len(sent.newEvents)) for sent in later} == {(0, 2)}
    sizes = [sent.ByteSize() for sent in later[1:]]
    assert max(sizes) - min(sizes) <= 8, "only numbers and times differ"


async def test_a_worker_that_lost_the_session_gets_the_whole_turn() -> None:
    one = chain("extended-session-0", NEEDS_HISTORY, "extended-session-1", "extended-session-2")
    await one.begin()
    await one.deliver(result(0))
    await one.deliver(result(1))
    assert histories_sent(one) == [True, False, True, False]
    _, warm, cold, _ = one.worker.requests
    assert shape(warm.newEvents) == shape(cold.newEvents)
    assert len(cold.pastEvents) == 4
    assert ("TaskScheduled", 1) in one.rows()


async def test_a_worker_that_always_asks_for_the_history_fails_the_instance() -> None:
    outcome = await chain(NEEDS_HISTORY).begin()
    assert outcome.update.runtime_status is OrchestrationStatus.Failed


async def test_a_turn_whose_answer_was_lost_is_sent_again_with_the_history() -> None:
    one = chain("extended-session-0", WorkerLost("gone"), "extended-session-1")
    await one.begin()
    with pytest.raises(WorkItemAborted):
        await one.deliver(result(0))
    await one.deliver()
    assert histories_sent(one) == [True, False, True]


async def test_a_reloaded_instance_gets_the_history() -> None:
    one = chain("extended-session-0", "extended-session-1")
    await one.begin()
    one.reload()
    await one.deliver(result(0))
    assert histories_sent(one) == [True, True]


async def test_a_forgotten_session_gets_the_history() -> None:
    one = chain("extended-session-0", "extended-session-1")
    await one.begin()
    one.code.forget(INSTANCE, "e" * 32)
    await one.deliver(result(0))
    assert histories_sent(one) == [True, True]


async def test_another_worker_process_gets_the_history() -> None:
    one = chain("extended-session-0", "extended-session-1", "extended-session-2")
    await one.begin()
    one.worker.worker = "worker 2"
    await one.deliver(result(0))
    one.worker.worker = "worker 1"
    await one.deliver(result(1))
    assert histories_sent(one) == [True, True, True], "a session that has missed a turn is not used"


async def test_a_new_execution_gets_its_history() -> None:
    one = Orchestration("Everything", '"can"', "action-can", "action-timer", settings=KEPT)
    await one.begin()
    assert histories_sent(one) == [True, True]


async def test_actions_that_the_host_held_back_are_asked_for_again() -> None:
    one = chain(schedules(0, 1, 2), schedules(1, 2), schedules(2), options=EngineOptions(activity_window=1))
    await one.begin()
    assert [row for row in one.rows() if row[1] >= 0] == [("TaskScheduled", 0)]
    await one.deliver(result(0))
    await one.deliver(result(1))
    assert histories_sent(one) == [True, True, True], "a session would not repeat them"
    assert [row for row in one.rows() if row[0] == "TaskScheduled"] == [("TaskScheduled", n) for n in range(3)]


async def test_events_without_effect_do_not_end_a_session() -> None:
    one = chain("extended-session-0", NOTHING, NOTHING)
    await one.begin()
    await one.deliver(EventRaised(name="Any", input="1"))
    await one.deliver(EventRaised(name="Any", input="2"))
    assert histories_sent(one) == [True, False, False]


async def test_sessions_can_be_turned_off() -> None:
    one = chain("extended-session-0", "extended-session-1", settings=DotnetSettings(session_seconds=0))
    await one.begin()
    await one.deliver(result(0))
    assert histories_sent(one) == [True, True]
    assert [each["IsExtendedSession"] for each in one.worker.properties()] == [False, False]


async def test_a_session_alone_in_a_worker_is_not_used_elsewhere() -> None:
    assert response("extended-session-cold").requiresHistory
    one = chain("extended-session-0")
    await one.begin()
    one.worker.worker = None
    one.worker.script.append("extended-session-1")
    await one.deliver(result(0))
    assert histories_sent(one) == [True, True], "nobody knows which worker will have the turn"


def ends(result: str) -> pb.OrchestratorResponse:
    completion = pb.CompleteOrchestrationAction(
        orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED, result=StringValue(value=result)
    )
    return pb.OrchestratorResponse(
        instanceId=INSTANCE, actions=[pb.OrchestratorAction(id=1, completeOrchestration=completion)]
    )


@pytest.mark.differs("dotnet-void")
@pytest.mark.parametrize(
    ("result", "output"),
    [
        (f'"{encoded(schedules(0))}"', None),
        (
            f'"{encoded(pb.OrchestratorResponse(instanceId="another"))}"',
            f'"{encoded(pb.OrchestratorResponse(instanceId="another"))}"',
        ),
        ('"text"', '"text"'),
        ('"AQI="', '"AQI="'),
        ("5", "5"),
    ],
)
async def test_an_earlier_answer_is_not_the_result_of_an_orchestrator_without_one(
    result: str, output: str | None
) -> None:
    """The worker returns it for an orchestrator of type `Task` that it has kept."""
    one = chain(schedules(0), ends(result))
    await one.begin()
    outcome = await one.deliver(TaskCompleted(task_scheduled_id=0, result="1"))
    assert (outcome.update.runtime_status, outcome.update.output) == (OrchestrationStatus.Completed, output)
