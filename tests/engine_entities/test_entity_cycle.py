"""The scheduler cycle of an entity."""

import json

import pytest
from entity_samples import (
    CALLER,
    EXECUTION,
    NOW,
    OPTIONS,
    Entity,
    fresh,
    guid,
    ids,
    release,
    request,
    sent,
    signal,
)
from hypothesis import given
from hypothesis import strategies as st

from durable_host.durable.engine import entity_failures
from durable_host.durable.engine.entity import EntityExecution, EntityOptions, finish_batch, start_batch
from durable_host.durable.engine.entity_messages import SendLabels
from durable_host.durable.engine.entity_request import UnreadableEntityMessage
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionStarted,
    OrchestrationInstance,
    OrchestratorCompleted,
    OrchestratorStarted,
)
from durable_host.durable.sdk.v1_entities import timed_out
from durable_host.durable.user_code import EntityAnswer, EntityResult
from durable_host.timestamp import TICKS_PER_MINUTE, TICKS_PER_SECOND, to_round_trip, to_text

DAY = 24 * 60 * TICKS_PER_MINUTE
RESPONSE_TYPE = (
    "Microsoft.Azure.WebJobs.Extensions.DurableTask.ResponseMessage, Microsoft.Azure.WebJobs.Extensions.DurableTask"
)


def test_the_first_message_starts_an_entity():
    entity = Entity()
    (outcome,) = entity.run(request("add", "1"))
    assert entity.batches[0].name == "counter"
    assert entity.batches[0].key == "a"
    assert not entity.batches[0].exists
    assert entity.batches[0].state is None
    assert outcome.replaced_execution_id is None
    started, completed = outcome.new_events[1:]
    assert outcome.new_events[0] == OrchestratorStarted(timestamp=NOW)
    assert completed == OrchestratorCompleted(timestamp=NOW, is_played=True)
    assert (started.name, started.version, started.is_played) == ("@counter@a", "", True)
    assert started.orchestration_instance == OrchestrationInstance("@counter@a", outcome.execution_id)
    assert not outcome.more


def test_a_call_is_answered_to_the_callers_execution():
    (outcome,) = Entity().run(request("add", "5", number=7))
    (message,) = outcome.outbound
    assert message.target == OrchestrationInstance(CALLER, EXECUTION)
    assert message.event.name == guid(7)
    assert message.event.input == f'{{"$type":"{RESPONSE_TYPE}","result":"5"}}'
    assert message.sender == OrchestrationInstance("@counter@a", None)
    assert message.episode == 1


def test_the_second_batch_is_sent_by_the_execution_it_was_loaded_with():
    entity = Entity()
    (first,) = entity.run(request("add", "1"))
    (second,) = entity.run(request("add", "1", number=2))
    (message,) = second.outbound
    assert message.sender == OrchestrationInstance("@counter@a", first.execution_id)
    assert message.episode == 2
    assert second.replaced_execution_id == first.execution_id


def test_a_signal_is_not_answered():
    entity = Entity()
    (outcome,) = entity.run(signal("add", "3"))
    assert outcome.outbound == []
    assert entity.scheduler["state"] == "3"
    assert entity.batches[0].operations[0].is_signal


def test_a_failing_operation_is_answered_with_the_error():
    entity = Entity()
    outcomes = entity.run(request("boom"), request("add", "1", number=2))
    assert sent(outcomes) == [
        (CALLER, guid(1), {"$type": RESPONSE_TYPE, "result": '"boom"', "exceptionType": "Error"}),
        (CALLER, guid(2), {"$type": RESPONSE_TYPE, "result": "1"}),
    ]


def test_a_failing_signal_is_reported():
    (outcome,) = Entity().run(signal("boom"))
    (finding,) = outcome.diagnostics
    assert finding.instance_id == "@counter@a"
    assert "boom" in finding.text


def test_all_waiting_operations_run_in_one_batch():
    entity = Entity()
    entity.run(*(signal("add", "1", number=number) for number in range(10)))
    assert len(entity.batches) == 1
    assert entity.scheduler["state"] == "10"


def test_deletion_leaves_no_existence_and_the_state_null():
    entity = Entity()
    entity.run(signal("add", "1"))
    (outcome,) = entity.run(signal("del"))
    assert entity.scheduler == {"state": "null", "sorter": {}}
    assert outcome.update.custom_status == "{}"


def test_an_entity_with_the_state_null_exists():
    turn = start_batch(fresh(), [signal("touch")], now=NOW, options=OPTIONS)
    answer = EntityAnswer(exists=True, state="null", results=[EntityResult(False, "null")])
    outcome = finish_batch(turn, answer, now=NOW, new_id=ids())
    assert json.loads(outcome.new_events[1].input) == {"exists": True, "state": "null", "sorter": {}}


@pytest.mark.parametrize(
    ("instance_id", "name", "key"),
    [("@counter@", "counter", ""), ("@counter@a@b", "counter", "a@b"), ("@c@ü 🎉'", "c", "ü 🎉'")],
)
def test_name_and_key_come_from_the_id(instance_id: str, name: str, key: str):
    entity = Entity(instance_id)
    entity.run(signal("add", "1"))
    assert (entity.batches[0].name, entity.batches[0].key) == (name, key)


# Batch size, suspension


def test_a_full_batch_suspends_and_continues_with_its_own_message():
    entity = Entity(options=EntityOptions(max_batch_size=4))
    outcomes = entity.run(*(signal("add", "1", number=number) for number in range(10)))
    assert len(outcomes) == 1
    assert sent(outcomes) == [("@counter@a", "continue", None)]
    assert entity.scheduler["suspended"] is True
    assert len(entity.scheduler["queue"]) == 6
    assert outcomes[0].update.custom_status == '{"entityExists":true,"queueSize":6}'
    continued = EventRaised(name="continue")
    assert sent(entity.run(continued)) == [("@counter@a", "continue", None)]
    assert sent(entity.run(continued)) == []
    assert [len(batch.operations) for batch in entity.batches] == [4, 4, 2]
    assert entity.scheduler["state"] == "10"


def test_a_suspended_entity_only_collects():
    entity = Entity(options=EntityOptions(max_batch_size=1))
    entity.run(signal("add"), signal("add", number=2))
    entity.run(signal("add", number=3), now=NOW + TICKS_PER_SECOND)
    assert len(entity.batches) == 1
    assert len(entity.scheduler["queue"]) == 2


def test_a_suspension_whose_message_was_lost_ends_after_ten_seconds():
    entity = Entity(options=EntityOptions(max_batch_size=1))
    entity.run(signal("add", "1"), signal("add", "1", number=2))
    entity.run(signal("add", "1", number=3), now=NOW + 11 * TICKS_PER_SECOND)
    assert len(entity.batches) == 2


# Delays


def _delayed(due: int, **more) -> EventRaised:
    return request("add", "1", due=due, **more)


def test_a_request_that_comes_too_early_is_sent_again():
    entity = Entity()
    due = NOW + 2 * TICKS_PER_SECOND
    (outcome,) = entity.run(_delayed(due))
    (message,) = outcome.outbound
    assert message.event.name == f"op@{to_round_trip(due)}"
    assert message.target == OrchestrationInstance("@counter@a")
    assert message.due == due
    again = json.loads(message.event.input)
    assert again["due"] == to_text(due)
    assert again["$type"].startswith("Microsoft.Azure.WebJobs.Extensions.DurableTask.RequestMessage")
    assert entity.batches == []
    entity.run(message.event, now=due - TICKS_PER_SECOND // 20)  # pyright: ignore[reportArgumentType]
    assert entity.operations == ["add"]


def test_a_long_delay_goes_in_hops_of_three_days():
    entity = Entity()
    due = NOW + 10 * DAY
    (outcome,) = entity.run(_delayed(due))
    (message,) = outcome.outbound
    assert message.event.name == f"op@{to_round_trip(NOW + 3 * DAY)}"
    assert json.loads(message.event.input)["due"] == to_text(due)


def test_rescheduled_messages_go_first_and_the_wake_up_last():
    entity = Entity(options=EntityOptions(max_batch_size=1))
    early = _delayed(NOW + DAY, number=9)
    outcomes = entity.run(request("add", "1"), request("add", "1", number=2), early)
    assert [name.partition("@")[0] for _, name, _ in sent(outcomes)] == ["op", guid(1), "continue"]


# Locks


def _lock(*entities: str, position: int = 0, parent: str = CALLER, number: int = 50) -> EventRaised:
    lock_set = [("counter", key) for key in entities]
    return request(None, lock_set=lock_set, position=position, parent=parent, number=number, parent_execution=EXECUTION)


def test_a_lock_of_one_entity_is_answered_and_held_until_released():
    entity = Entity()
    outcomes = entity.run(_lock("a"))
    assert sent(outcomes) == [(CALLER, guid(50), {"$type": RESPONSE_TYPE, "result": "Lock Acquisition Completed"})]
    assert entity.scheduler["lockedBy"] == CALLER
    entity.run(signal("add", "1", number=1), request("add", "10", number=2), request("boom", number=3, parent="x"))
    assert [operation.input for operation in entity.batches[0].operations] == ["10"]
    outcomes = entity.run(release("somebody else"))
    assert entity.scheduler["lockedBy"] == CALLER
    entity.run(release())
    assert "lockedBy" not in entity.scheduler
    assert entity.operations == ["add", "add", "boom"]


def test_a_lock_goes_from_entity_to_entity():
    first = Entity("@counter@a")
    ((target, name, forwarded),) = sent(first.run(_lock("a", "b")))
    assert (target, name) == ("@counter@b", "op")
    assert forwarded["pos"] == 1
    assert forwarded["op"] is None
    assert [each["key"] for each in forwarded["lockset"]] == ["a", "b"]
    assert all(each["$type"].startswith("Microsoft.") for each in forwarded["lockset"])
    second = Entity("@counter@b")
    ((target, name, response),) = sent(second.run(EventRaised(name="op", input=json.dumps(forwarded))))
    assert (target, name) == (CALLER, guid(50))
    assert response["result"] == "Lock Acquisition Completed"
    assert second.scheduler["lockedBy"] == CALLER


def test_a_lock_waits_for_the_operations_before_it_and_blocks_those_after_it():
    entity = Entity()
    outcomes = entity.run(signal("add", "1"), _lock("a"), signal("add", "10", number=2))
    assert len(outcomes) == 1
    assert entity.scheduler["state"] == "1"
    assert len(entity.scheduler["queue"]) == 1


def test_operations_of_the_holder_that_came_with_the_lock_run_in_the_same_work_item():
    entity = Entity()
    outcomes = entity.run(_lock("a"), request("add", "2", number=51))
    assert [outcome.more for outcome in outcomes] == [True, False]
    assert outcomes[1].replaced_execution_id == outcomes[0].execution_id
    assert entity.scheduler["state"] == "2"


def test_the_next_lock_is_granted_after_the_release():
    entity = Entity()
    entity.run(_lock("a"), _lock("a", parent="other", number=60))
    assert entity.scheduler["lockedBy"] == CALLER
    outcomes = entity.run(release())
    assert entity.scheduler["lockedBy"] == "other"
    assert sent(outcomes)[0][:2] == ("other", guid(60))


# Signals of entities


def test_signals_of_an_entity_are_labelled():
    turn = start_batch(fresh(), [signal("go")], now=NOW, options=OPTIONS)
    answer = EntityAnswer(
        exists=True, state="1", results=[EntityResult(False, None)],
        signals=[("@log@x", "write", '"1"'), ("@log@x", "write", '"2"')],
    )  # fmt: skip
    outcome = finish_batch(turn, answer, now=NOW, new_id=ids())
    first, second = (json.loads(message.event.input) for message in outcome.outbound)
    assert (first["op"], first["signal"], first["parent"]) == ("write", True, "@counter@a")
    assert "parentExecution" not in first
    assert first["Timestamp"] == to_text(NOW)
    assert second["Predecessor"] == first["Timestamp"]
    assert first["id"] != second["id"]
    scheduler = json.loads(outcome.new_events[1].input)
    assert list(scheduler["sorter"]["LastSentToInstance"]) == ["@log@x"]


# Bad input and failures


@pytest.mark.parametrize(
    "event",
    [
        EventRaised(name="op", input="no json"),
        EventRaised(name="op", input=None),
        EventRaised(name="op@2024-05-01T12:30:45.0000000Z", input="{}"),
        EventRaised(name="release", input="5"),
        EventRaised(name="op", input='{"op":"add","id":"1","lockset":[1]}'),
    ],
)
def test_a_message_that_cannot_be_read_is_dropped_with_a_warning(event: EventRaised):
    entity = Entity()
    (outcome,) = entity.run(event, signal("add", "1"))
    assert entity.scheduler["state"] == "1"
    (finding,) = outcome.diagnostics
    assert finding.severity == "warning"
    assert event.name in finding.text


def test_a_scheduler_state_that_cannot_be_read_is_refused():
    instance = OrchestrationInstance("@counter@a", "e")
    with pytest.raises(UnreadableEntityMessage):
        EntityExecution.from_history(
            "@counter@a", [ExecutionStarted(orchestration_instance=instance, name="@counter@a", input="{broken")]
        )


def test_events_that_another_host_left_in_the_history_are_worked_on():
    entity = Entity()
    entity.run(signal("add", "1"))
    entity.history = [*entity.history, OrchestratorStarted(timestamp=NOW), signal("add", "2", number=2)]
    entity.run()
    assert entity.scheduler["state"] == "3"


def test_answers_that_are_missing_become_errors():
    turn = start_batch(fresh(), [request("a"), request("b", number=2)], now=NOW, options=OPTIONS)
    answer = EntityAnswer(exists=True, state="1", results=[EntityResult(False, "1")])
    outcome = finish_batch(turn, answer, now=NOW, new_id=ids())
    assert [("exceptionType" in json.loads(message.event.input)) for message in outcome.outbound] == [False, True]


def test_failures_of_the_whole_batch_answer_each_call_and_keep_the_state():
    entity = Entity()
    entity.run(signal("add", "4"))
    turn = entity.start([request("x"), signal("y", number=2), request("z", number=3)])
    assert turn.batch is not None
    failed = entity_failures.invocation_failed(turn.batch, "TypeError: no `to_json`")
    outcome = finish_batch(turn, failed, now=NOW, new_id=ids())
    responses = [json.loads(message.event.input) for message in outcome.outbound]
    assert [json.loads(each["result"]) for each in responses] == [
        "Entity function 'counter' failed: TypeError: no `to_json`"
    ] * 2
    assert all(each["exceptionType"] == "Error" for each in responses)
    assert json.loads(outcome.new_events[1].input)["state"] == "4"
    assert entity_failures.MAX_BATCH_ATTEMPTS > 1


def test_an_unknown_entity_name_fails_every_operation_with_the_known_names():
    turn = start_batch(fresh("@nope@1"), [request("x")], now=NOW, options=OPTIONS)
    answer = entity_failures.unknown_entity(turn.batch, ["counter", "log"])  # pyright: ignore[reportArgumentType]
    outcome = finish_batch(turn, answer, now=NOW, new_id=ids())
    text = json.loads(json.loads(outcome.outbound[0].event.input)["result"])
    assert text == (
        "The function 'nope' doesn't exist, is disabled, or is not an entity function. "
        "Additional info: The following are the known entity functions: 'counter', 'log'."
    )
    assert outcome.update.custom_status == "{}"


def test_a_timeout_is_answered_with_bare_text():
    text = "Timeout value of 00:05:00 was exceeded by function: counter"
    turn = start_batch(fresh(), [request("x")], now=NOW, options=OPTIONS)
    outcome = finish_batch(turn, timed_out(turn.batch, text), now=NOW, new_id=ids())  # pyright: ignore[reportArgumentType]
    response = json.loads(outcome.outbound[0].event.input)
    assert response["result"] == text
    assert response["exceptionType"] == "Error"


# Everything together


@given(
    cuts=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    seed=st.randoms(use_true_random=False),
    size=st.sampled_from([1, 2, 5000]),
)
def test_calls_of_several_senders_run_in_their_order_exactly_once_for_any_arrival(cuts, seed, size):
    calls: list[EventRaised] = []
    for sender in ("p", "q"):
        labels = SendLabels()
        for number in range(8):
            label, predecessor = labels.label("@counter@a", NOW + number // 2, OPTIONS.reorder_window)
            calls.append(
                request(
                    f"{sender}{number}", number=number + (100 if sender == "q" else 0), parent=sender,
                    parent_execution="e", timestamp_label=label, predecessor=predecessor,
                )
            )  # fmt: skip
    arrivals = calls * 2
    seed.shuffle(arrivals)
    entity = Entity(options=EntityOptions(max_batch_size=size))
    responses: list[str] = []
    waiting: list[EventRaised] = []
    while arrivals or waiting:
        take = cuts[len(arrivals) % len(cuts)]
        messages, arrivals = [*waiting, *arrivals[:take]], arrivals[take:]
        outcomes = entity.run(*messages)
        sent_now = [message for outcome in outcomes for message in outcome.outbound]
        waiting = [message.event for message in sent_now if message.target.instance_id == "@counter@a"]  # pyright: ignore[reportAssignmentType]
        responses += [message.event.name for message in sent_now if message.target.instance_id != "@counter@a"]
    for sender in ("p", "q"):
        mine = [name for name in entity.operations if name.startswith(sender)]
        assert mine == [f"{sender}{number}" for number in range(8)]
    assert len(responses) == len(set(responses)) == 16
    assert not entity.scheduler.get("queue")
