"""A host killed at chosen moments, and requests refused for a while: what was acknowledged counts exactly once."""

import contextlib
import threading
import time
from collections.abc import Callable

import pytest
import requests
from fault_world import EXPECTED, FaultWorld, Run
from host_process import until

from bench.storage_calls import Kind
from bench.storage_rules import Action, Fail, Hold, Repeat, Rule

pytestmark = pytest.mark.timeout(1200)

DEADLINE = 5.0
"""Seconds until the deadline of `races`."""
LARGE_ZERO = "0" + " " * 60_000
"""The number 0, in a message that is stored in a blob."""
ALL_TRIES = 6
"""How often the host sends one request before it counts as refused."""


def in_background(*calls: Callable[[], object]) -> None:
    """Calls that get no answer, since their host dies."""

    def unanswered(call: Callable[[], object]) -> None:
        with contextlib.suppress(requests.RequestException):
            call()

    for call in calls:
        threading.Thread(target=unanswered, args=(call,), daemon=True).start()


def waiting(world: FaultWorld, *families: str) -> None:
    """Start approvals until they wait for their first event."""
    for family in families:
        assert world.start_instance("approvals", family).status_code == 202
    for family in families:
        world.wait_custom_status(family, "waits 0")


def rest_of(world: FaultWorld, *families: str) -> list[object]:
    """Send the events after the first, each when it is waited for; the outputs."""
    runs = [Run("approvals", family, started=True, sent=1) for family in families]
    world.drive(runs)
    return [run.result for run in runs]


@pytest.fixture(scope="module")
def killed(shared_world: FaultWorld) -> FaultWorld:
    """A host that was killed while all of the instants below were there at once, and started again."""
    world, proxy = shared_world, shared_world.proxy
    waiting(world, "event1", "event2", "sender1", "lost1", "blob1")
    consumed = [
        proxy.add(Rule(Hold(), kind=Kind.DELETE_MESSAGE, family=family, event="EventRaised"))
        for family in ("event1", "sender1", "signal1")
    ]
    consumed.append(proxy.add(Rule(Hold(after=True), kind=Kind.HISTORY_COMMIT, family="event2")))
    consumed.append(proxy.add(Rule(Hold(), kind=Kind.HISTORY_COMMIT, family="blob1")))
    lost = proxy.add(Rule(Fail(0, after=True), kind=Kind.HISTORY_COMMIT, family="lost1", times=None))
    for family in ("event1", "event2", "lost1"):
        assert world.raise_event(family, 0).status_code == 202
    assert world.raise_event("blob1", LARGE_ZERO).status_code == 202
    world.put_for_sender("sender1 0")
    assert world.signal("signal1").status_code == 202
    undecided = [
        proxy.add(Rule(Hold(), kind=Kind.HISTORY_COMMIT, family="calls1")),
        proxy.add(Rule(Hold(after=True), kind=Kind.HISTORY_COMMIT, family="calls2")),
        proxy.add(Rule(Hold(), kind=Kind.HISTORY_COMMIT, family="timers1")),
        proxy.add(Rule(Hold(after=True), kind=Kind.HISTORY_COMMIT, family="timers2")),
    ]
    for family in ("calls1", "calls2", "timers1", "timers2"):
        assert world.start_instance(family[:-1], family).status_code == 202
    races = {"race1": Hold(), "race2": Hold(after=True)}
    for family in races:
        assert world.start_instance("races", family).status_code == 202
        until(lambda family=family: world.status(family)["runtimeStatus"] == "Running", host=world.host)
    begun = time.monotonic()
    raced = [proxy.add(Rule(hold, kind=Kind.HISTORY_COMMIT, family=family)) for family, hold in races.items()]
    for family in races:
        assert world.raise_event(family, 0).status_code == 202
    starts = {"start1": Kind.PUT_MESSAGE, "start2": Kind.ROW_INSERT}
    started = [proxy.add(Rule(Hold(), kind=kind, family=family)) for family, kind in starts.items()]
    in_background(*[lambda family=family: world.start_instance("chain", family) for family in starts])
    for rule in (*consumed, *undecided, *raced, *started, lost):
        rule.wait()
    world.host.kill()
    proxy.clear()
    proxy.add(Rule(Fail(500), kind=Kind.BLOB_GET, family="blob1", times=2 * ALL_TRIES))
    until(lambda: time.monotonic() > begun + DEADLINE)
    world.host.start()
    return world


@pytest.mark.parametrize("family", ["event1", "event2", "lost1"])
def test_an_event_whose_message_was_not_deleted_is_taken_once(killed: FaultWorld, family: str) -> None:
    assert rest_of(killed, family) == [[0, 1, 2]]


def test_an_event_whose_blob_cannot_be_read_for_a_while_is_taken_once(killed: FaultWorld) -> None:
    assert rest_of(killed, "blob1") == [[0, 1, 2]]


def test_an_event_of_a_queue_triggered_function_is_taken_once(killed: FaultWorld) -> None:
    assert rest_of(killed, "sender1") == [[0, 1, 2]]


def test_a_signal_of_a_client_counts_once(killed: FaultWorld) -> None:
    assert killed.signal("signal1").status_code == 202
    until(lambda: killed.entity_value("signal1") >= 2, 60, killed.host)
    killed.wait_until_nothing_comes("signal1")
    assert killed.entity_value("signal1") == 2


@pytest.mark.parametrize("family", ["calls1", "calls2"])
def test_calls_and_signals_of_an_orchestration_count_once(killed: FaultWorld, family: str) -> None:
    assert killed.wait_output(family) == 2
    killed.wait_until_nothing_comes(family)
    assert killed.entity_value(family) == 2


@pytest.mark.parametrize("family", ["timers1", "timers2"])
def test_no_timer_fires_early(killed: FaultWorld, family: str) -> None:
    assert killed.wait_output(family) == [True, 0]
    assert killed.wrong([Run("timers", family, status=killed.status(family))], each_activity_once=False) == []


@pytest.mark.parametrize("family", ["race1", "race2"])
def test_the_answer_belongs_to_what_was_decided(killed: FaultWorld, family: str) -> None:
    decided, answered = killed.wait_output(family)
    assert decided == answered


def test_a_decision_that_was_committed_before_the_kill_holds(killed: FaultWorld) -> None:
    assert killed.wait_output("race2") == ["approved", "approved"]


def test_a_start_whose_message_was_not_put_begins_by_itself(killed: FaultWorld) -> None:
    runs_once(killed, "start1")


def test_a_start_whose_row_was_not_written_is_accepted_again(killed: FaultWorld) -> None:
    assert killed.start_instance("chain", "start2").status_code == 202
    runs_once(killed, "start2")


def runs_once(world: FaultWorld, family: str) -> None:
    """The chain of this family ends, and none of its activities runs a second time."""
    assert world.wait_output(family) == EXPECTED["chain"]
    world.wait_until_nothing_comes(family)
    assert world.wrong([Run("chain", family, status=world.status(family))], each_activity_once=True) == []


def outcome(world: FaultWorld, pattern: str, name: str, rules: dict[str, Rule]) -> list[str]:
    """Run the pattern once for each rule, all at once; what is wrong."""
    runs: list[Run] = []
    for number, (fault, rule) in enumerate(rules.items()):
        rule.family = f"{name}{number}"
        runs.append(Run(pattern, rule.family, fault))
        world.proxy.add(rule)
    world.drive(runs)
    for run in runs:
        world.wait_until_nothing_comes(run.family)
    assert all(rule.hits for rule in rules.values())
    return world.wrong(runs, each_activity_once=True)


ROW_FAULTS: dict[str, tuple[Action, int]] = {
    "six times 500": (Fail(500), ALL_TRIES),
    "six times 500 after effect": (Fail(500, after=True), ALL_TRIES),
    **{f"{status} once": (Fail(status), 1) for status in (400, 403, 408, 409, 412, 413, 429)},
}


def test_a_refused_row_repeats_no_episode(world: FaultWorld) -> None:
    rules = {
        fault: Rule(action, kind=Kind.ROW_WRITE, times=times, skip=1) for fault, (action, times) in ROW_FAULTS.items()
    }
    assert outcome(world, "approvals", "rows", rules) == []


def test_an_event_that_the_transport_puts_twice_is_taken_once(world: FaultWorld) -> None:
    actions = (Repeat(), Fail(0, after=True), Fail(500, after=True))
    rules = {str(action): Rule(action, kind=Kind.PUT_MESSAGE, event="EventRaised") for action in actions}
    assert outcome(world, "approvals", "puts", rules) == []


def test_a_signal_that_the_transport_puts_twice_counts_once(world: FaultWorld) -> None:
    actions = (Repeat(), Fail(0, after=True), Fail(500, after=True))
    rules = {str(action): Rule(action, kind=Kind.PUT_MESSAGE, event="EventRaised") for action in actions}
    assert outcome(world, "signals", "putsignals", rules) == []


def test_a_commit_refused_for_a_while_runs_no_activity_again(world: FaultWorld) -> None:
    outages = (Fail(500), Fail(0), Fail(500, after=True), Fail(0, after=True), Fail(429))
    rules = {str(action): Rule(action, kind=Kind.HISTORY_COMMIT, skip=1, times=2 * ALL_TRIES) for action in outages}
    rules["403"] = Rule(Fail(403), kind=Kind.HISTORY_COMMIT, skip=1, times=2)
    assert outcome(world, "chain", "commits", rules) == []


@pytest.mark.parametrize(("status", "times"), [(500, 2 * ALL_TRIES), (403, 2)])
def test_a_custom_status_is_seen_once_the_row_can_be_written(world: FaultWorld, status: int, times: int) -> None:
    family = f"status{status}"
    rule = world.proxy.add(Rule(Fail(status), kind=Kind.ROW_WRITE, family=family, times=times))
    assert world.start_instance("status", family).status_code == 202
    rule.wait()
    world.wait_custom_status(family, "seen")


def test_a_start_that_answered_503_is_accepted_the_second_time(world: FaultWorld) -> None:
    unanswered = {Kind.ROW_INSERT: Fail(503, after=True), Kind.ROW_READ: Fail(503)}
    for kind, action in unanswered.items():
        world.proxy.add(Rule(action, kind=kind, family="second1", times=ALL_TRIES))
    assert world.start_instance("chain", "second1").status_code == 503
    assert world.start_instance("chain", "second1").status_code == 202
    runs_once(world, "second1")
