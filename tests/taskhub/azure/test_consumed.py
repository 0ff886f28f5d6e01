"""Identities of consumed messages: which are kept, for how long, and in how many characters."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_host.durable.taskhub.azure.consumed import KEPT_BESIDE, KEPT_FROM_OUTSIDE, LONGEST_TEXT, ConsumedMessages
from durable_host.timestamp import TICKS_PER_SECOND, parse

NOW = parse("2026-05-01T12:00:00Z")
MINUTE = 60 * TICKS_PER_SECOND


def ids(count: int, start: int = 0) -> list[str]:
    return [str(uuid.UUID(int=(number << 64) | 5)) for number in range(start + 1, start + count + 1)]


def added(*messages: str, from_outside: bool = False, now: int = NOW) -> ConsumedMessages:
    consumed = ConsumedMessages()
    for id in messages:
        consumed.add(id, now, from_outside=from_outside)
    return consumed


def reloaded(consumed: ConsumedMessages, now: int = NOW, served_since: int = 0) -> ConsumedMessages:
    return ConsumedMessages.read(consumed.text(now), served_since=served_since)


def known(consumed: ConsumedMessages, messages: list[str]) -> int:
    return sum(id in consumed for id in messages)


@pytest.mark.parametrize(
    ("from_outside", "is_confirmed", "minutes", "is_kept"),
    [
        (False, False, 0, True),
        (False, False, 60, True),
        (False, True, 0, False),
        (True, False, 0, True),
        (True, False, 60, True),
        (True, True, 0, True),
        (True, True, 10, True),
        (True, True, 12, False),
    ],
)
def test_what_may_come_back_is_kept(from_outside: bool, is_confirmed: bool, minutes: int, is_kept: bool) -> None:
    (one,) = ids(1)
    consumed = added(one, from_outside=from_outside)
    if is_confirmed:
        consumed.confirmed(one)
    assert (one in reloaded(consumed, NOW + minutes * MINUTE)) == is_kept


def test_ten_minutes_are_ten_whole_minutes() -> None:
    (one,) = ids(1)
    consumed = added(one, from_outside=True, now=NOW + MINUTE - 1)
    consumed.confirmed(one)
    assert one in reloaded(consumed, NOW + 11 * MINUTE - 1)


def test_the_last_64_from_outside_are_kept_when_their_deletes_are_confirmed() -> None:
    messages = ids(100)
    consumed = added(*messages, from_outside=True)
    for id in messages:
        consumed.confirmed(id)
    again = reloaded(consumed)
    assert known(again, messages[-KEPT_FROM_OUTSIDE:]) == KEPT_FROM_OUTSIDE
    assert known(again, messages) == KEPT_FROM_OUTSIDE


def test_nothing_is_an_empty_text() -> None:
    consumed = added(*ids(3))
    for id in ids(3):
        consumed.confirmed(id)
    assert consumed.text(NOW) == ""
    assert ConsumedMessages().text(NOW) == ""


@pytest.mark.parametrize(
    "text", [None, "", "x", "1:", "1:x", ":i" + "A" * 22, "1:iAAA", "1:i" + "A" * 22 + " ", "999999999999:", "\x00é"]
)
def test_a_text_that_cannot_be_read_is_empty(text: str | None) -> None:
    consumed = ConsumedMessages.read(text)
    assert len(consumed) == 0
    assert consumed.text(NOW) == ""


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5B-D9CB-469F-A165-70867728950E"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5bd9cb469fa16570867728950e"),
        ("not a guid", "not a guid"),
        ("\ud800", "\ud800"),
        ("g" * 32, "g" * 32),
    ],
)
def test_an_identity_is_recognised_after_a_reload(recorded: str, asked: str) -> None:
    assert asked in reloaded(added(recorded))
    assert "another" not in reloaded(added(recorded))


def test_what_an_earlier_session_consumed_is_forgotten_when_it_did_not_come_back() -> None:
    (one, two) = ids(2)
    consumed = reloaded(added(one), served_since=NOW)
    consumed.add(two, NOW + 11 * MINUTE, from_outside=False)
    again = reloaded(consumed, NOW + 12 * MINUTE)
    assert one not in again
    assert two in again


def test_what_came_before_a_long_stop_is_kept_for_ten_minutes_after_it() -> None:
    (one,) = ids(1)
    started = NOW + 600 * MINUTE
    consumed = reloaded(added(one), served_since=started)
    assert one in reloaded(consumed, started + 9 * MINUTE)


def test_the_text_has_at_most_32000_characters_and_loses_what_matters_least() -> None:
    inside, outside = ids(3000, 5000), ids(64)
    consumed = added(*outside, from_outside=True)
    for number, id in enumerate(inside):
        consumed.add(id, NOW + number * MINUTE // 7, from_outside=False)
    assert consumed.is_full
    text = consumed.text(NOW)
    assert len(text) <= LONGEST_TEXT
    again = ConsumedMessages.read(text)
    assert known(again, outside) == 64
    assert known(again, inside) > 1000
    assert inside[-1] in again
    assert inside[0] not in again


def test_a_thousand_messages_fit() -> None:
    messages = ids(1000)
    consumed = added(*messages)
    assert not consumed.is_full
    assert known(reloaded(consumed), messages) == 1000


def test_deletes_make_room() -> None:
    messages = ids(1500)
    consumed = added(*messages)
    assert consumed.is_full
    for id in messages[:700]:
        consumed.confirmed(id)
    assert not consumed.is_full


def test_a_message_with_an_unconfirmed_delete_is_kept_for_ten_minutes_without_a_wait() -> None:
    messages = ids(1380)
    consumed = added(*messages, from_outside=True)
    assert consumed.is_full
    for id in messages:
        consumed.unconfirmed(id)
    assert not consumed.is_full
    assert known(reloaded(consumed), messages[-1000:]) == 1000
    assert consumed.text(NOW + 12 * MINUTE) == ""


def test_what_an_earlier_session_consumed_is_never_waited_for() -> None:
    consumed = reloaded(added(*ids(1380)))
    consumed.add(*ids(1, 9000), NOW, from_outside=False)  # pyright: ignore[reportCallIssue]
    assert len(consumed) == 1381
    assert not consumed.is_full
    for id in ids(400, 9001):
        consumed.add(id, NOW, from_outside=False)
    again = reloaded(consumed)
    assert known(again, ids(401, 9000)) == 401


def test_the_record_of_a_long_session_stays_small() -> None:
    consumed, last = ConsumedMessages(), ids(10_000)
    for id in last:
        consumed.add(id, NOW, from_outside=True)
        consumed.confirmed(id)
    assert len(consumed) <= 2 * KEPT_FROM_OUTSIDE
    assert known(consumed, last) <= 2 * KEPT_FROM_OUTSIDE + KEPT_BESIDE
    assert known(consumed, last[-KEPT_BESIDE:]) == KEPT_BESIDE


@pytest.mark.parametrize("from_outside", [True, False])
def test_a_second_copy_is_known_after_the_first_was_deleted(from_outside: bool) -> None:
    """Of a message that a sender put again after a crash, both copies may be in the queue."""
    messages = ids(300)
    consumed = added(*messages, from_outside=from_outside)
    for id in messages:
        consumed.confirmed(id)
    consumed.text(NOW)
    assert known(consumed, messages) == known(consumed.copy(), messages) == 300


def test_a_copy_is_independent() -> None:
    (one, two) = ids(2)
    consumed = added(one)
    text = consumed.text(NOW)
    copied = consumed.copy()
    copied.add(two, NOW, from_outside=True)
    copied.confirmed(one)
    assert (consumed.text(NOW), one in consumed, two in consumed) == (text, True, False)
    assert two in copied
    assert (one in reloaded(copied), one in reloaded(consumed)) == (False, True)


def test_the_text_is_made_once_while_nothing_changes() -> None:
    consumed = added(*ids(5), from_outside=True)
    consumed.confirmed(ids(1)[0])
    assert consumed.text(NOW) is consumed.text(NOW + 5 * MINUTE)


Step = tuple[str, int, bool, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "confirm", "reload"]), st.integers(0, 120), st.booleans(), st.integers(0, 90)),
    max_size=200,
)


@given(STEPS)
def test_no_message_that_may_come_back_is_forgotten(steps: list[Step]) -> None:
    """Against the plain definition, in any order of consumption, confirmation and reload. What does not come back
    within ten minutes of a reload was deleted.
    """
    names = ids(121)
    consumed, now = ConsumedMessages(), NOW
    unconfirmed: dict[str, int | None] = {}
    outside: list[tuple[str, int]] = []
    for kind, number, from_outside, seconds in steps:
        id = names[number]
        now += seconds * TICKS_PER_SECOND
        unconfirmed = {id: at for id, at in unconfirmed.items() if at is None or now - at <= 10 * MINUTE}
        if kind == "add":
            consumed.add(id, now, from_outside=from_outside)
            unconfirmed[id] = None
            outside = [one for one in outside if one[0] != id] + ([(id, now)] if from_outside else [])
        elif kind == "confirm":
            consumed.confirmed(id)
            unconfirmed.pop(id, None)
        else:
            consumed = reloaded(consumed, now, served_since=now)
            unconfirmed = dict.fromkeys(unconfirmed, now)
        text = consumed.text(now)
        assert len(text) <= LONGEST_TEXT
        again = ConsumedMessages.read(text, served_since=now)
        assert again.text(now) == text
        assert all(id in again for id in unconfirmed)
        assert all(id in again for id, at in outside[-KEPT_FROM_OUTSIDE:] if now - at <= 10 * MINUTE)
