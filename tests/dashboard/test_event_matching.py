"""Which wait takes which event, and the event ledger, by the rules of each SDK."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_host.dashboard.views.code_trace import V2_RULES, CodeTrace, CodeWait, EventRules, rules_of
from durable_host.dashboard.views.event_matching import Matching, matching_of
from durable_host.dashboard.views.ledger import LedgerEvent, ledger_of
from durable_host.dashboard.views.steps import steps_of
from durable_host.dashboard.views.timeline import bars_of
from durable_host.dashboard.views.waits import waits_of
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.external_events import ExternalEvents
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    HistoryEvent,
    OrchestrationInstance,
    OrchestratorStarted,
)
from durable_host.durable.user_code import PYTHON_V1, CodeDialect
from durable_host.timestamp import TICKS_PER_SECOND

T0 = 638_000_000_000_000_000
NODE = CodeDialect(
    sdk="durable-functions 3.5", task_all="Task.all", task_any="Task.any", task_any_call="any", keeps_early_events=True
)
V1, NODE_RULES = rules_of(PYTHON_V1), rules_of(NODE)
ALL = {"v1": V1, "node": NODE_RULES, "v2": V2_RULES}


class Story:
    """What happens to one execution, one step per episode. Events have their number as data."""

    def __init__(self, rules: EventRules) -> None:
        self.rules = rules
        self.waits: list[CodeWait] = []
        self.events: list[HistoryEvent] = []
        self.ended: int | None = None
        self.seen: int | None = None
        self._step(ExecutionStarted(orchestration_instance=OrchestrationInstance("i", "e"), name="O", timestamp=T0))

    def raised(self, *names: str) -> "Story":
        for name in names:
            self._step(EventRaised(name=name, input=str(len(self.events)), timestamp=T0))
        return self

    def waits_for(self, *names: str, again: bool = False) -> "Story":
        since = len(self.events) - 1
        self.waits += [
            CodeWait(name=name, since=since, place=f"a.py:{since} in f", is_repeated=again) for name in names
        ]
        self._step()
        return self

    def suspended(self) -> "Story":
        return self._step(ExecutionSuspended(timestamp=T0))

    def resumed(self) -> "Story":
        return self._step(ExecutionResumed(timestamp=T0))

    def ends(self) -> "Story":
        self.ended = len(self.events) - 1
        return self._step(ExecutionCompleted(timestamp=T0))

    @property
    def trace(self) -> CodeTrace:
        seen = len(self.events) if self.seen is None else self.seen
        return CodeTrace(rules=self.rules, seen=seen, waits=self.waits, ended=self.ended)

    @property
    def matching(self) -> Matching:
        return matching_of(self.events, steps_of(self.events).external, self.trace)

    @property
    def ledger(self) -> list[LedgerEvent]:
        return ledger_of(self.events, steps_of(self.events), self.trace)

    def _step(self, *events: HistoryEvent) -> "Story":
        self.events += [OrchestratorStarted(timestamp=T0 + len(self.events) * TICKS_PER_SECOND), *events]
        return self


def fates(story: Story) -> list[str]:
    return [event.fate for event in story.ledger]


FATES = {
    "an event goes to an open wait": (lambda s: s.waits_for("A").raised("A"), ["taken"], ["taken"], ["taken"]),
    "an early event is kept": (lambda s: s.raised("A"), ["buffered"], ["buffered"], ["buffered"]),
    "a wait takes an early event": (lambda s: s.raised("A").waits_for("A"), ["taken"], ["taken"], ["taken"]),
    "two early events": (
        lambda s: s.raised("A", "A").waits_for("A", "A"),
        ["dropped", "takenTwice"],
        ["taken", "taken"],
        ["taken", "taken"],
    ),
    "one early event for two waits": (
        lambda s: s.raised("A").waits_for("A", "A"),
        ["takenTwice"],
        ["taken"],
        ["taken"],
    ),
    "an early event after one that was taken": (
        lambda s: s.raised("A").waits_for("A").raised("A").ends(),
        ["taken", "neverTaken"],
        ["taken", "neverTaken"],
        ["taken", "neverTaken"],
    ),
    "an event in a task that is in two lists": (
        lambda s: s.waits_for("A").raised("A").waits_for("A", again=True).raised("A"),
        ["taken", "dropped"],
        ["taken", "dropped"],
        ["taken", "dropped"],
    ),
    "another case": (lambda s: s.waits_for("A").raised("a"), ["caseDiffers"], ["caseDiffers"], ["taken"]),
    "another case after the wait got its event": (
        lambda s: s.waits_for("A").raised("A", "a").ends(),
        ["taken", "caseDiffers"],
        ["taken", "caseDiffers"],
        ["taken", "neverTaken"],
    ),
    "the end without a wait": (lambda s: s.raised("B").ends(), ["neverTaken"], ["neverTaken"], ["neverTaken"]),
    "after the end of the code": (
        lambda s: s.ends().raised("B"),
        ["neverTaken"],
        ["neverTaken"],
        ["neverTaken"],
    ),
    "while suspended": (
        lambda s: s.waits_for("A").suspended().raised("A"),
        ["taken"],
        ["taken"],
        ["waiting"],
    ),
    "after the resumption": (
        lambda s: s.waits_for("A").suspended().raised("A").resumed(),
        ["taken"],
        ["taken"],
        ["taken"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FATES)
@pytest.mark.parametrize("sdk", ALL)
def test_the_fate_of_events(name: str, sdk: str) -> None:
    tell, *expected = FATES[name]
    assert fates(tell(Story(ALL[sdk]))) == expected[list(ALL).index(sdk)]


@pytest.mark.parametrize(("rules", "taker"), [(V1, 1), (NODE_RULES, 1), (V2_RULES, 0)], ids=ALL)
def test_the_wait_that_takes_an_event(rules: EventRules, taker: int) -> None:
    """The 1.x SDKs serve the newest wait first."""
    story = Story(rules).waits_for("A").waits_for("A").raised("A")
    (event,) = story.matching.events
    assert list(event.waits) == [story.waits[taker]]
    assert list(story.matching.open) == [story.waits[1 - taker]]


def test_a_wait_that_the_code_gave_up_takes_nothing() -> None:
    story = Story(V2_RULES).waits_for("A")
    story.waits = [CodeWait(name="A", since=1, canceled=3)]
    story.raised("A")
    assert fates(story) == ["buffered"]
    assert story.matching.open == []


def test_events_that_the_code_has_not_seen_wait() -> None:
    story = Story(V1).waits_for("A")
    story.seen = len(story.events)
    assert fates(story.suspended().raised("A")) == ["waiting"]


def test_the_ledger_says_when_and_where_a_wait_took_an_event() -> None:
    (event,) = Story(V1).waits_for("A").raised("A").ledger
    assert event.wait is not None
    assert (event.wait.name, event.wait.place, event.data) == ("A", "a.py:1 in f", "3")
    assert event.wait.since < (event.wait.until or "")


def test_the_note_names_the_right_case() -> None:
    (event,) = Story(V1).waits_for("Approval").raised("approval").ledger
    assert "waits for 'Approval'" in event.note


def test_without_the_code_the_fate_is_unknown() -> None:
    events = Story(V1).raised("A").events
    (event,) = ledger_of(events, steps_of(events), None)
    assert (event.fate, event.wait, event.name) == ("unknown", None, "A")


def test_events_that_never_reached_the_history_come_from_the_findings() -> None:
    late = Diagnostic(
        code=codes.EVENT_DROPPED, instance_id="i", severity="debug", text="late", timestamp=T0, event_name="A"
    )
    other = Diagnostic(code=codes.RESULT_DROPPED, instance_id="i", severity="warning", text="x", timestamp=T0)
    (event,) = ledger_of([], steps_of([]), None, [late, other])
    assert (event.name, event.fate, event.note, event.ordinal) == ("A", "dropped", "late", None)


def test_findings_about_an_earlier_execution_are_left_out() -> None:
    story = Story(V1)
    before = Diagnostic(
        code=codes.EVENT_DROPPED, instance_id="i", severity="debug", text="x", timestamp=T0 - 1, event_name="A"
    )
    assert ledger_of(story.events, steps_of(story.events), story.trace, [before]) == []


def test_long_data_are_cut() -> None:
    story = Story(V1)
    story.events.append(EventRaised(name="A", input="x" * 100, timestamp=T0))
    (event,) = ledger_of(story.events, steps_of(story.events), story.trace, limit=10)
    assert (event.data, event.data_is_truncated) == ("x" * 10, True)


def test_open_waits_are_waits_of_the_instance() -> None:
    story = Story(V1).waits_for("A", "B").raised("A")
    (wait,) = waits_of(story.events, steps_of(story.events), story.trace)
    assert (wait.kind, wait.name, wait.place) == ("event", "B", "a.py:1 in f")


def test_nothing_waits_after_the_end_of_the_code() -> None:
    story = Story(V1).waits_for("A").ends()
    assert waits_of(story.events[:-1], steps_of(story.events[:-1]), story.trace) == []


def test_the_bars_of_events() -> None:
    story = Story(V1).waits_for("A", "B").raised("A", "C")
    bars = [
        (bar.name, bar.status, bar.end is None) for bar in bars_of(story.events, steps_of(story.events), story.trace)
    ]
    assert sorted(bars) == [("A", "Completed", False), ("B", "Running", True), ("C", "Canceled", False)]


NAMES = st.sampled_from(["A", "a", "B"])
ACTIONS = st.lists(st.tuples(st.sampled_from(["raise", "wait", "again"]), NAMES), max_size=12)


@pytest.mark.parametrize("dialect", [PYTHON_V1, NODE], ids=["v1", "node"])
@given(actions=ACTIONS)
def test_the_engine_warns_of_the_events_that_the_ledger_marks(
    dialect: CodeDialect, actions: Sequence[tuple[str, str]]
) -> None:
    story, engine = Story(rules_of(dialect)), ExternalEvents(dialect)
    found: list[str] = []
    waited: set[str] = set()
    for kind, name in actions:
        if kind == "raise":
            story.raised(name)
            found += [finding.code for finding in engine.raised(name, T0)]
        elif kind == "wait":
            waited.add(name)
            story.waits_for(name)
            found += [finding.code for finding in engine.waits_for(name, T0)]
        elif name in waited:
            story.waits_for(name, again=True)
            engine.listed_again(name)
    story.ends()
    found += [finding.code for finding in engine.never_consumed()]
    shown = [event.fate for event in story.matching.events]
    assert shown.count("lost") == found.count(codes.EARLY_EVENT_LOST)
    assert ("takenTwice" in shown) == (codes.EARLY_EVENT_DOUBLED in found)
    assert shown.count("unread") == found.count(codes.EVENT_NEVER_CONSUMED)
    assert all(fate != "unread" or fates(story)[i] in ("neverTaken", "caseDiffers") for i, fate in enumerate(shown))
