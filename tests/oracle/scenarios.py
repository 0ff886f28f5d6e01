"""The states of an instance when its hub is handed over, function by function of the oracle's table.

Each scenario brings one instance (with children and an entity of its ID) to a point, and after `OTHER` checks how it
continues on the other side.
"""

from collections.abc import Generator, Iterator
from typing import Any

from scenario_run import Condition, Instance, Phase

Steps = Generator[Condition | Phase]
LATE, LAST_MOMENT, NOBODY, OTHER = Phase
CITIES = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
TEXT = '\u00fc\u20ac\U0001f600 \u2028"\\ '


def approved(data: object) -> list[object]:
    return ["Hello before!", data, "Hello after!"]


def sequence_ended(it: Instance) -> Steps:
    it.start("HelloSequence")
    yield it.returns(CITIES)
    yield OTHER
    yield it.returns(CITIES)


def sequence_begins_at_the_last_moment(it: Instance) -> Steps:
    yield LAST_MOMENT
    for child in "abcdef":
        it.start("HelloSequence", child=child)
    yield OTHER
    for child in "abcdef":
        yield it.returns(CITIES, child)


def sequence_started_by_their_client_while_nobody_runs(it: Instance) -> Steps:
    yield NOBODY
    it.run.theirs.start("HelloSequence", it.id, None)
    yield OTHER
    yield it.returns(CITIES)


def sequence_started_by_our_client_while_nobody_runs(it: Instance) -> Steps:
    yield NOBODY
    it.run.ours.command("start-new", "--function-name", "HelloSequence", "--id", it.id)
    yield OTHER
    yield it.returns(CITIES)


def sequence_is_due_later(it: Instance) -> Steps:
    it.run.theirs.start_at("HelloSequence", it.id, None, it.soon(12))
    yield OTHER
    yield it.returns(CITIES)


def sequence_is_started_again(it: Instance) -> Steps:
    it.start("HelloSequence")
    yield it.returns(CITIES)
    yield OTHER
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    it.raise_event("Approval", "again")
    yield it.returns(approved("again"))


def approval_waits(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    yield OTHER
    it.raise_event("Approval", {"by": TEXT})
    yield it.returns(approved({"by": TEXT}))


def approval_of_their_client_while_nobody_runs(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    yield NOBODY
    it.run.theirs.raise_event(it.id, "Approval", [1, 2])
    yield OTHER
    yield it.returns(approved([1, 2]))


def approval_of_our_client_while_nobody_runs(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    yield NOBODY
    it.run.ours.command("raise-event", "--id", it.id, "--event-name", "Approval", "--event-data", "true")
    yield OTHER
    yield it.returns(approved("true"))


def approval_at_the_last_moment(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    yield LAST_MOMENT
    it.raise_event("Approval", 7)
    yield OTHER
    yield it.returns(approved(7))


def approval_suspended(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    it.suspend()
    yield it.is_status("Suspended")
    yield OTHER
    it.resume()
    yield it.is_status("Running")
    it.raise_event("Approval", None)
    yield it.returns(approved(None))


def approval_comes_while_suspended(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    it.suspend()
    yield it.is_status("Suspended")
    it.raise_event("Approval", "early")
    yield OTHER
    it.resume()
    yield it.returns(approved("early"))


def approval_suspended_while_nobody_runs(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    yield NOBODY
    it.run.theirs.control("suspend", it.id, "pause")
    yield OTHER
    yield it.is_status("Suspended")
    it.raise_event("Approval", 1)
    it.resume()
    yield it.returns(approved(1))


def approval_terminated_by_the_other(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    yield OTHER
    it.terminate()
    yield it.ends("Terminated", "enough")


def approval_terminated_while_nobody_runs(it: Instance) -> Steps:
    it.start("WaitForApproval")
    yield it.has(TaskCompleted=1)
    yield NOBODY
    it.run.theirs.control("terminate", it.id, "enough")
    yield OTHER
    yield it.ends("Terminated", "enough")


def timer_loses(it: Instance) -> Steps:
    it.start("ApprovalOrTimeout", {"seconds": 3600})
    yield it.has(TimerCreated=1)
    yield OTHER
    it.raise_event("Approval", 5)
    yield it.returns(["event", 5, "Hello approved!"])


def timer_is_due_later(it: Instance) -> Steps:
    it.start("ApprovalOrTimeout", {"seconds": 12})
    yield it.has(TimerCreated=1)
    yield OTHER
    yield it.returns(["timer", None, "Hello late!"])


def timer_is_due_soon(it: Instance) -> Steps:
    it.start("ApprovalOrTimeout", {"seconds": 5})
    yield it.has(TimerCreated=1)
    yield OTHER
    yield it.returns(["timer", None, "Hello late!"])


def timer_begins_at_the_last_moment(it: Instance) -> Steps:
    yield LAST_MOMENT
    it.start("ApprovalOrTimeout", {"seconds": 1})
    yield OTHER
    yield it.returns(["timer", None, "Hello late!"])


def timer_is_due_while_suspended(it: Instance) -> Steps:
    yield LATE
    it.start("ApprovalOrTimeout", {"seconds": 20})
    yield it.has(TimerCreated=1)
    it.suspend()
    yield it.is_status("Suspended")
    yield OTHER
    yield it.has(TimerFired=1)
    it.resume()
    yield it.returns(["timer", None, "Hello late!"])


def first_of_two_events_is_awaited(it: Instance) -> Steps:
    it.start("TwoEvents")
    yield it.has(ExecutionStarted=1)
    yield OTHER
    it.raise_event("A", 1)
    it.raise_event("B", 2)
    yield it.returns([1, 2])


def second_of_two_events_is_awaited(it: Instance) -> Steps:
    it.start("TwoEvents")
    yield it.has(ExecutionStarted=1)
    it.raise_event("A", [1])
    yield it.has(EventRaised=1)
    yield OTHER
    it.raise_event("B", {"b": 2})
    yield it.returns([[1], {"b": 2}])


def second_event_has_come_before_the_first(it: Instance) -> Steps:
    it.start("TwoEvents")
    yield it.has(ExecutionStarted=1)
    it.raise_event("B", "early")
    yield it.has(EventRaised=1)
    yield OTHER
    it.raise_event("A", "late")
    yield it.returns(["late", "early"])


def both_events_come_at_the_last_moment(it: Instance) -> Steps:
    it.start("TwoEvents")
    yield it.has(ExecutionStarted=1)
    yield LAST_MOMENT
    it.raise_event("B", 2)
    it.raise_event("A", 1)
    yield OTHER
    yield it.returns([1, 2])


def fan_out_half_done(it: Instance) -> Steps:
    it.start("FanOut", {"n": 6, "gate": it.gate})
    yield it.has(TaskCompleted=3)
    yield OTHER
    it.open_gate()
    yield it.returns(list(range(6)))


def large_fan_out_half_done(it: Instance) -> Steps:
    it.start("FanOut", {"n": 60, "gate": it.gate})
    yield it.has(TaskCompleted=30)
    yield OTHER
    it.open_gate()
    yield it.returns(list(range(60)))


def fan_out_begins_at_the_last_moment(it: Instance) -> Steps:
    yield LAST_MOMENT
    it.start("FanOut", {"n": 20, "gate": it.gate})
    yield OTHER
    it.open_gate()
    yield it.returns(list(range(20)))


def fan_out_ends_at_the_last_moment(it: Instance) -> Steps:
    it.start("FanOut", {"n": 20, "gate": it.gate})
    yield it.has(TaskCompleted=10)
    yield LAST_MOMENT
    it.open_gate()
    yield OTHER
    yield it.returns(list(range(20)))


def fan_out_suspended(it: Instance) -> Steps:
    it.start("FanOut", {"n": 6, "gate": it.gate})
    yield it.has(TaskCompleted=3)
    it.suspend()
    yield it.is_status("Suspended")
    it.open_gate()
    yield it.has(TaskCompleted=6)
    yield OTHER
    it.resume()
    yield it.returns(list(range(6)))


def children_wait(it: Instance) -> Steps:
    it.start("Parent", {"n": 3})
    for number in range(3):
        yield it.has(f"-{number}", ExecutionStarted=1)
    yield OTHER
    assert it.side.parent(f"{it.id}-1") == it.id
    assert not it.side.parent(it.id)
    for number in range(3):
        it.raise_event("Go", number, f"-{number}")
    yield it.returns([[number, number, "Hello child!"] for number in range(3)])


def one_child_has_ended(it: Instance) -> Steps:
    it.start("Parent", {"n": 2})
    yield it.has("-0", ExecutionStarted=1)
    yield it.has("-1", ExecutionStarted=1)
    it.raise_event("Go", "first", "-0")
    yield it.has(SubOrchestrationInstanceCompleted=1)
    yield OTHER
    it.raise_event("Go", "second", "-1")
    yield it.returns([[0, "first", "Hello child!"], [1, "second", "Hello child!"]])


def children_end_at_the_last_moment(it: Instance) -> Steps:
    it.start("Parent", {"n": 2})
    yield it.has("-0", ExecutionStarted=1)
    yield it.has("-1", ExecutionStarted=1)
    yield LAST_MOMENT
    it.raise_event("Go", 0, "-0")
    it.raise_event("Go", 1, "-1")
    yield OTHER
    yield it.returns([[number, number, "Hello child!"] for number in range(2)])


def children_begin_at_the_last_moment(it: Instance) -> Steps:
    yield LAST_MOMENT
    it.start("Parent", {"n": 2})
    yield OTHER
    yield it.has("-0", ExecutionStarted=1)
    yield it.has("-1", ExecutionStarted=1)
    it.raise_event("Go", 0, "-0")
    it.raise_event("Go", 1, "-1")
    yield it.returns([[number, number, "Hello child!"] for number in range(2)])


def child_without_a_parent(it: Instance) -> Steps:
    it.start("Child", {"value": {"v": 1}})
    yield it.has(ExecutionStarted=1)
    yield OTHER
    it.raise_event("Go", "go")
    yield it.returns([{"v": 1}, "go", "Hello child!"])


def retry_is_due_later(it: Instance) -> Steps:
    yield LATE
    it.start("Retry", {"seconds": 20, "gate": it.gate})
    yield it.has(TaskFailed=1, TimerCreated=1)
    it.open_gate()  # Now: it gives up by itself after five attempts.
    yield OTHER
    yield it.returns("ok")


def tally_goes_on(it: Instance) -> Steps:
    it.start("Tally", {"total": 1})
    yield it.shows({"total": 1})
    for number, total in ((2, 3), (3, 6)):
        it.raise_event("Add", number)
        yield it.shows({"total": total})
    yield OTHER
    assert it.side.state(it.id)[2] == {"total": 6}
    it.raise_event("Add", 4)
    yield it.shows({"total": 10})
    it.raise_event("Add", "end")
    yield it.returns(10)


def tally_gets_events_while_suspended(it: Instance) -> Steps:
    it.start("Tally", {"total": 0})
    yield it.shows({"total": 0})
    it.suspend()
    yield it.is_status("Suspended")
    for number in (1, 2, 3):
        it.raise_event("Add", number)
    yield OTHER
    it.resume()
    yield it.shows({"total": 6})
    it.raise_event("Add", "end")
    yield it.returns(6)


def tally_gets_events_while_nobody_runs(it: Instance) -> Steps:
    it.start("Tally", {"total": 0})
    yield it.shows({"total": 0})
    yield NOBODY
    for number in (1, 20, 300, 4000, 50000):
        it.run.theirs.raise_event(it.id, "Add", number)
    yield OTHER
    yield it.shows({"total": 54321})
    it.raise_event("Add", "end")
    yield it.returns(54321)


def tally_gets_events_at_the_last_moment(it: Instance) -> Steps:
    it.start("Tally", {"total": 0})
    yield it.shows({"total": 0})
    yield LAST_MOMENT
    for number in (1, 20, 300):
        it.raise_event("Add", number)
    yield OTHER
    yield it.shows({"total": 321})
    it.raise_event("Add", "end")
    yield it.returns(321)


def countdown_goes_on(it: Instance) -> Steps:
    yield LATE  # It ends by itself after 12 seconds.
    it.start("Countdown", {"n": 12, "seconds": 1})
    yield it.has(ExecutionStarted=1)
    yield OTHER
    yield it.returns("done")


def countdown_begins_at_the_last_moment(it: Instance) -> Steps:
    yield LAST_MOMENT
    it.start("Countdown", {"n": 3, "seconds": 0.5})
    yield OTHER
    yield it.returns("done")


def caller_waits(it: Instance) -> Steps:
    it.start("EntityCaller", {"key": it.id})
    yield it.has(EventRaised=1, EventSent=2)
    yield it.counts(11)
    yield OTHER
    it.raise_event("Go", "go")
    yield it.returns([1, "go", 111, 111])


def caller_begins_at_the_last_moment(it: Instance) -> Steps:
    yield LAST_MOMENT
    it.start("EntityCaller", {"key": it.id})
    yield OTHER
    yield it.has(EventRaised=1, EventSent=2)
    it.raise_event("Go", "go")
    yield it.returns([1, "go", 111, 111])


def caller_goes_on_at_the_last_moment(it: Instance) -> Steps:
    it.start("EntityCaller", {"key": it.id})
    yield it.has(EventRaised=1, EventSent=2)
    yield LAST_MOMENT
    it.raise_event("Go", [])
    yield OTHER
    yield it.returns([1, [], 111, 111])
    yield it.counts(111)


def caller_suspended(it: Instance) -> Steps:
    it.start("EntityCaller", {"key": it.id})
    yield it.has(EventRaised=1, EventSent=2)
    it.suspend()
    yield it.is_status("Suspended")
    yield OTHER
    it.signal("add", 1000)
    yield it.counts(1011)
    it.resume()
    it.raise_event("Go", "go")
    yield it.returns([1, "go", 1111, 1111])


def entity_counts_on(it: Instance) -> Steps:
    it.signal("add", 5)
    yield it.counts(5)
    yield OTHER
    yield it.counts(5)
    it.signal("add", 2)
    yield it.counts(7)


def entity_is_signalled_while_nobody_runs(it: Instance) -> Steps:
    it.signal("add", 1)
    yield it.counts(1)
    yield NOBODY
    for number in (10, 100, 1000):
        it.run.theirs.signal(it.id, "add", number)
    yield OTHER
    yield it.counts(1111)


def entity_is_signalled_at_the_last_moment(it: Instance) -> Steps:
    yield LAST_MOMENT
    for number in (1, 10, 100, 1000):
        it.signal("add", number)
    yield OTHER
    yield it.counts(1111)


def entity_is_signalled_for_later(it: Instance) -> Steps:
    it.run.theirs.signal_at(it.id, "add", 3, it.soon(12))
    it.signal("add", 4)
    yield it.counts(4)
    yield OTHER
    yield it.counts(7)


def large_values(it: Instance) -> Steps:
    text = TEXT * 15_000
    it.start("Large", {"text": text})
    yield it.has(TaskCompleted=1)
    yield OTHER
    it.raise_event("Go", text)
    yield it.returns([text, text, text])


def large_values_at_the_last_moment(it: Instance) -> Steps:
    text = "x" * 40_000
    yield LAST_MOMENT
    it.start("Large", {"text": text})
    yield OTHER
    yield it.has(TaskCompleted=1)
    it.raise_event("Go", None)
    yield it.returns([text, text, None])


def large_values_purged_by_the_other(it: Instance) -> Steps:
    text = "y" * 70_000
    it.start("Large", {"text": text})
    yield it.has(TaskCompleted=1)
    it.raise_event("Go", text)
    yield it.returns([text, text, text])
    yield OTHER
    yield it.returns([text, text, text])
    it.purge()
    yield it.is_gone()


def failure_rewound_by_the_other(it: Instance) -> Steps:
    it.start("FailOnce", {"gate": it.gate})
    yield it.is_status("Failed")
    it.open_gate()
    yield OTHER
    it.rewind()
    yield it.returns(["Hello before!", "ok"])


def failure_rewound_while_nobody_runs(it: Instance) -> Steps:
    it.start("FailOnce", {"gate": it.gate})
    yield it.is_status("Failed")
    it.open_gate()
    yield NOBODY
    it.run.theirs.control("rewind", it.id, "again")
    yield OTHER
    yield it.returns(["Hello before!", "ok"])


def failure_is_shown_by_the_other(it: Instance) -> Steps:
    it.start("FailOnce", {"gate": it.gate})
    yield it.is_status("Failed")
    yield OTHER
    assert "not yet" in str(it.side.state(it.id)[1])


def stage_is_shown(it: Instance) -> Steps:
    it.start("Stages")
    yield it.shows("waiting")
    yield OTHER
    assert it.side.state(it.id)[2] == "waiting"
    it.raise_event("Go", [1])
    yield it.returns("ok")
    assert it.side.state(it.id)[2] == {"done": [1]}


def all_fails_with_an_open_member(it: Instance) -> Steps:
    it.start("AllFails", {"gate": it.gate})
    yield it.has(TaskFailed=1)
    yield OTHER
    it.open_gate()
    yield it.has(TaskCompleted=2)
    it.raise_event("Go", "go")
    yield it.returns(["caught", "Hello after failure!", "go"])


def all_fails_and_waits(it: Instance) -> Steps:
    it.start("AllFails", {"gate": it.gate})
    yield it.has(TaskFailed=1)
    it.open_gate()
    yield it.has(TaskCompleted=2)
    yield OTHER
    it.raise_event("Go", "go")
    yield it.returns(["caught", "Hello after failure!", "go"])


def _scenarios() -> Iterator[Any]:
    for value in globals().copy().values():
        if callable(value) and getattr(value, "__annotations__", {}).get("return") is Steps:
            yield value


SCENARIOS = list(_scenarios())
