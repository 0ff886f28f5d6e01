"""What opens a gate, and when."""

import pytest

from durable_host.durable.engine.event_gates import EventGates
from durable_host.durable.engine.gates import Gate, Gates
from durable_host.durable.model.actions import (
    CallActivity,
    ContinueAsNewAction,
    CreateTimer,
    SignalEntity,
    WaitForExternalEvent,
    WhenAll,
    WhenAny,
)

A, B, C = (CallActivity(name, None) for name in "ABC")
SIGNAL = SignalEntity("@e@k", "add", None)


@pytest.mark.parametrize(
    ("action", "settled", "is_open"),
    [
        (A, [], False),
        (A, [0], True),
        (SIGNAL, [], True),
        (ContinueAsNewAction(None), [], True),
        (WhenAll(()), [], True),
        (WhenAll((A, B)), [1], False),
        (WhenAll((A, B)), [1, 1], False),
        (WhenAll((A, B)), [1, 0], True),
        (WhenAny((A, B)), [], False),
        (WhenAny((A, B)), [1], True),
        (WhenAny((WhenAll((A, B)), C)), [0], False),
        (WhenAny((WhenAll((A, B)), C)), [0, 1], True),
        (WhenAll((WhenAny((A, B)), C)), [2], False),
        (WhenAll((WhenAny((A, B)), C)), [2, 0], True),
        (WhenAny((SIGNAL, A)), [], False),
        (WhenAny((SIGNAL, A)), [1], True),
    ],
)
def test_a_gate_opens_with_what_its_action_waits_for(action, settled, is_open):
    gate = Gate(action)
    leaves = list(gate.leaves())
    for number in settled:
        leaves[number].settle(number)
    assert gate.is_open is is_open
    assert any(gate.blockers()) is not is_open


@pytest.mark.parametrize(
    ("action", "settled", "opened_at"),
    [
        (A, [(0, 7)], 7),
        (SIGNAL, [], 2),
        (WhenAll((A, B)), [(0, 9), (1, 7)], 9),
        (WhenAny((A, B)), [(0, 9), (1, 11)], 9),
        (WhenAny((CreateTimer(0), B)), [(1, 9), (0, None)], 2),
        (WhenAll((CreateTimer(0), B)), [(1, 9), (0, None)], 9),
    ],
)
def test_a_gate_opened_when_the_extension_sees_it_open(action, settled, opened_at):
    gate = Gate(action)
    gate.begin(2)
    leaves = list(gate.leaves())
    for number, at in settled:
        leaves[number].settle(at)
    assert gate.opened_at == opened_at


def test_actions_begin_in_order_and_when_the_gate_before_them_opened():
    gates = Gates(are_kept=True)
    first, signal, second = Gate(A), Gate(SIGNAL), Gate(B)
    for gate in (first, signal, second):
        gates.add(gate, 1)
    assert gates.begin_next(1) is first
    assert gates.begin_next(5) is None
    assert gates.closed is first
    first.settle(4)
    assert [gates.begin_next(6), gates.begin_next(6), gates.begin_next(6)] == [signal, second, None]
    assert (first.began_at, signal.began_at, second.began_at) == (1, 4, 4)


def wait(name, events, began_at):
    gate = Gate(WaitForExternalEvent(name))
    gate.begin(began_at)
    events.begin(name, gate)
    return gate


def test_an_event_goes_to_the_newest_wait_in_any_case():
    events = EventGates()
    first, second = wait("E", events, 1), wait("e", events, 2)
    events.raised("E", 3)
    assert (first.is_open, second.is_open) == (False, True)
    events.raised("e", 4)
    assert first.is_open


def test_early_events_serve_one_wait_each():
    events = EventGates()
    events.raised("E", 3)
    assert wait("E", events, 5).opened_at == 5
    assert not wait("E", events, 6).is_open


def test_a_wait_that_began_before_an_event_takes_it_from_an_older_wait():
    events = EventGates()
    wait("E", events, 1)
    events.raised("E", 7)
    late = wait("E", events, 5)
    assert late.opened_at == 7
    newest = wait("E", events, 8)
    events.raised("E", 9)
    assert newest.is_open
