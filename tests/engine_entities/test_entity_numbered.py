"""Batches of 2.x entities: failures as trees, operations that did not run, signals and starts.

Source: docs/protocol/durable-v2.md#entities
"""

import json

import pytest
from entity_samples import CALLER, NOW, OPTIONS, fresh, guid, ids, request, sent, signal

from durable_host.durable.engine.debt import is_in_history_rows
from durable_host.durable.engine.entity import EntityOptions, EntityOutcome, finish_batch, start_batch
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.triage import conflict_reply
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    FailureDetails,
    OrchestrationInstance,
    OrchestratorStarted,
    ParentInstance,
)
from durable_host.durable.model.numbered import EntityAction, OrchestrationBegun, SignalSent
from durable_host.durable.user_code import EntityAnswer, EntityResult
from durable_host.timestamp import TICKS_PER_SECOND

FINE = EntityResult(False, "1")
LATER = NOW + 3600 * TICKS_PER_SECOND


def run(
    *messages: EventRaised,
    results: list[EntityResult],
    actions: list[EntityAction] | None = None,
    options: EntityOptions = OPTIONS,
) -> EntityOutcome:
    turn = start_batch(fresh(), messages, now=NOW, options=options)
    answer = EntityAnswer(exists=True, state="1", results=results, actions=actions or (), leaves_rest=True)
    return finish_batch(turn, answer, now=NOW, new_id=ids(), with_failure_details=True)


def test_caller_gets_the_whole_failure() -> None:
    failure = FailureDetails("builtins.ValueError", "bad", "at line 1", FailureDetails("KeyError", "k"))
    outcome = run(request("fail"), results=[EntityResult(True, None, failure)])
    ((target, name, text),) = sent([outcome])
    assert (target, name) == (CALLER, guid(1))
    assert text is not None
    assert text["result"] is None
    assert text["failureDetails"]["ErrorType"] == "builtins.ValueError"
    assert text["failureDetails"]["InnerFailure"]["ErrorMessage"] == "k"


def test_error_of_the_host_reaches_the_caller_as_a_failure_too() -> None:
    outcome = run(request("get"), results=[EntityResult(True, '"The worker died."')])
    ((_, _, text),) = sent([outcome])
    assert text is not None
    assert text["failureDetails"]["ErrorMessage"] == "The worker died."


def test_failed_signal_is_in_the_log() -> None:
    outcome = run(signal("fail"), results=[EntityResult(True, None, FailureDetails("ValueError", "bad"))])
    (finding,) = outcome.diagnostics
    assert finding.text.endswith("failed: ValueError: bad")


def test_operations_that_did_not_run_stay_in_the_queue_in_their_order() -> None:
    messages = [request(name, number=number) for number, name in enumerate("abc", 1)]
    outcome = run(*messages, results=[FINE])
    assert outcome.more
    assert [one.operation for one in outcome.execution.scheduler.queue] == ["b", "c"]
    assert [name for _, name, _ in sent([outcome])] == [guid(1)]


def test_batch_without_any_result_fails_instead_of_running_forever() -> None:
    outcome = run(request("a"), request("b", number=2), results=[])
    assert not outcome.more
    assert len(outcome.outbound) == 2


def test_signal_to_another_entity_names_this_one() -> None:
    outcome = run(signal("x"), results=[FINE], actions=[SignalSent(target="@b@1", operation="add", input="5")])
    ((target, name, text),) = sent([outcome])
    assert (target, name) == ("@b@1", "op")
    assert text is not None
    assert (text["op"], text["signal"], text["input"], text["parent"]) == ("add", True, "5", "@counter@a")


def test_delayed_signal_is_due_later() -> None:
    outcome = run(signal("x"), results=[FINE], actions=[SignalSent(target="@b@1", operation="add", due=LATER)])
    (message,) = outcome.outbound
    assert message.due == LATER


def test_orchestration_begins_with_the_entity_as_a_parent_that_gets_no_answer() -> None:
    begun = OrchestrationBegun(instance_id="child", name="work", input="5", due=LATER)
    options = EntityOptions(default_version="2.0")
    outcome = run(signal("x"), results=[FINE], actions=[begun], options=options)
    (message,) = outcome.outbound
    event = message.event
    assert isinstance(event, ExecutionStarted)
    assert (event.name, event.input, event.version, event.tags) == ("work", "5", "2.0", {"FireAndForget": ""})
    assert event.parent_instance is not None
    assert event.parent_instance.orchestration_instance.instance_id == "@counter@a"
    assert (message.due, message.target.execution_id) == (LATER, event.orchestration_instance.execution_id)
    assert not is_in_history_rows(message, message.sender)


def test_start_of_what_runs_already_is_dropped_without_an_answer() -> None:
    running = OrchestrationState.from_history(
        "child",
        [OrchestratorStarted(), ExecutionStarted(orchestration_instance=OrchestrationInstance("child", "e1"))],
    )
    outcome = run(signal("x"), results=[FINE], actions=[OrchestrationBegun(instance_id="child", name="work")])
    assert conflict_reply(running, outcome.outbound[0], now=NOW) is None


@pytest.mark.parametrize(
    "action",
    [
        SignalSent(target="not-an-entity", operation="add"),
        SignalSent(target="@" + "x" * 600, operation="add"),
        OrchestrationBegun(instance_id="@e@k", name="work"),
        OrchestrationBegun(instance_id="\ud800", name="work"),
    ],
)
def test_message_that_cannot_be_sent_is_dropped_and_reported(action: EntityAction) -> None:
    outcome = run(signal("x"), results=[FINE], actions=[action])
    assert not outcome.outbound
    assert [one.code for one in outcome.diagnostics] == ["DH6150"]


def test_parents_of_two_starts_differ() -> None:
    starts = [OrchestrationBegun(instance_id=id, name="work") for id in ("a", "b")]
    outcome = run(signal("x"), results=[FINE], actions=list(starts))
    parents = [one.event.parent_instance for one in outcome.outbound if isinstance(one.event, ExecutionStarted)]
    assert all(isinstance(one, ParentInstance) for one in parents)
    assert len({one.task_schedule_id for one in parents if one is not None}) == 2


def test_state_survives_in_the_form_that_1x_reads() -> None:
    outcome = run(signal("x"), results=[FINE])
    started = outcome.new_events[1]
    assert isinstance(started, ExecutionStarted)
    assert json.loads(started.input or "")["state"] == "1"
