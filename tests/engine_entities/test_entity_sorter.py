"""The message sorter: requests in any order are delivered in the order of sending, each once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_host import timestamp
from durable_host.durable.engine.entity_messages import SendLabels
from durable_host.durable.engine.entity_request import EntityRequest, read_moment, read_request
from durable_host.durable.engine.entity_texts import lock_text, operation_text
from durable_host.durable.engine.scheduler_state import SchedulerState
from durable_host.durable.engine.sorter import MessageSorter
from durable_host.timestamp import TICKS_PER_MINUTE, TICKS_PER_SECOND

WINDOW = 30 * TICKS_PER_MINUTE
NOW = timestamp.parse("2024-05-01T12:30:45.9876543Z")
TARGET = "@counter@a"


def _send(sender: str, times: list[int], *, execution: str = "e", window: int = WINDOW) -> list[EntityRequest]:
    labels = SendLabels()
    sent = []
    for number, now in enumerate(times):
        label, predecessor = labels.label(TARGET, now, window)
        sent.append(
            EntityRequest(
                operation="op", id=f"{sender}-{execution}-{number}", parent=sender, parent_execution=execution,
                timestamp=read_moment(label), predecessor=read_moment(predecessor),
            )
        )  # fmt: skip
    return sent


def _ids(requests: list[EntityRequest]) -> list[str]:
    return [each.id for each in requests]


def _reloaded(sorter: MessageSorter) -> MessageSorter:
    scheduler = SchedulerState()
    scheduler.sorter = sorter
    return SchedulerState.from_json(scheduler.to_json()).sorter


@given(
    counts=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    steps=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    copies=st.integers(1, 3),
    seed=st.randoms(use_true_random=False),
)
def test_any_arrival_gives_the_order_of_sending_without_doubles(
    counts: list[int], steps: list[int], copies: int, seed: random.Random
):
    sent = []
    for sender, count in enumerate(counts):
        times = [NOW + sum(steps[:number]) for number in range(count)]
        sent.append(_send(f"sender{sender}", times))
    arrivals = [each for one in sent for each in one] * copies
    seed.shuffle(arrivals)
    sorter = MessageSorter()
    delivered: list[EntityRequest] = []
    for each in arrivals:
        delivered += sorter.receive(each, WINDOW)
        sorter = _reloaded(sorter)
    for sender, one in enumerate(sent):
        assert _ids([each for each in delivered if each.parent == f"sender{sender}"]) == _ids(one)


@given(seed=st.randoms(use_true_random=False), gaps=st.lists(st.integers(0, 80), min_size=2, max_size=12))
def test_requests_that_wait_too_long_are_delivered_in_any_case(seed: random.Random, gaps: list[int]):
    """Gaps in minutes; no request is lost even when the window closes."""
    times = [NOW + sum(gaps[: number + 1]) * TICKS_PER_MINUTE for number in range(len(gaps))]
    sent = _send("s", times)
    seed.shuffle(sent)
    last = _send("other", [times[-1] + 3 * WINDOW])
    sorter = MessageSorter()
    delivered = [each for arrival in [*sent, *last] for each in sorter.receive(arrival, WINDOW)]
    assert set(_ids(delivered)) == set(_ids([*sent, *last]))
    assert not any(source.buffered for source in sorter.sources.values())


@given(count=st.integers(1, 8), seed=st.randoms(use_true_random=False))
def test_an_episode_that_ran_again_loses_no_request(count: int, seed: random.Random):
    """The first run was not committed; what it sent before the crash mingles with what the second run sent."""
    first = _send("s", [NOW] * count)[: seed.randint(0, count)]
    second = _send("s", [NOW + TICKS_PER_SECOND] * count)
    arrivals = [(each, "first") for each in first] + [(each, "second") for each in second]
    seed.shuffle(arrivals)
    runs = {id(each): run for each, run in arrivals}
    sorter = MessageSorter()
    delivered = [each for arrival, _ in arrivals for each in sorter.receive(arrival, WINDOW)]
    assert _ids([each for each in delivered if runs[id(each)] == "second"]) == _ids(second)
    assert not any(source.buffered for source in sorter.sources.values())


def test_times_that_differ_by_ticks_are_distinguished():
    first, second = _send("s", [NOW, NOW])
    assert second.timestamp.ticks == first.timestamp.ticks + 1
    assert not second.timestamp.is_utc
    sorter = MessageSorter()
    assert sorter.receive(second, WINDOW) == []
    assert _ids(sorter.receive(first, WINDOW)) == ["s-e-0", "s-e-1"]


def test_a_duplicate_is_dropped():
    (request,) = _send("s", [NOW])
    sorter = MessageSorter()
    assert sorter.receive(request, WINDOW) == [request]
    assert sorter.receive(request, WINDOW) == []


def test_a_new_execution_of_the_sender_starts_over():
    old = _send("s", [NOW, NOW + 1, NOW + 2], execution="old")
    new = _send("s", [NOW + 3, NOW + 4], execution="new")
    sorter = MessageSorter()
    sorter.receive(old[0], WINDOW)
    assert sorter.receive(old[2], WINDOW) == []
    assert _ids(sorter.receive(new[0], WINDOW)) == ["s-old-2", "s-new-0"]
    assert _ids(sorter.receive(new[1], WINDOW)) == ["s-new-1"]


def test_without_a_window_nothing_is_sorted():
    first, second = _send("s", [NOW, NOW + 1])
    sorter = MessageSorter()
    assert _ids(sorter.receive(second, 0) + sorter.receive(first, 0) + sorter.receive(first, 0)) == [
        "s-e-1",
        "s-e-0",
        "s-e-0",
    ]
    assert sorter.sources == {}


def test_clients_scheduled_requests_and_forwarded_locks_are_not_sorted():
    moment = read_moment("2024-05-01T12:30:45Z")
    unsorted = [
        EntityRequest(operation="op", id="client"),
        EntityRequest(operation="op", id="due", parent="p", due=moment, timestamp=moment, predecessor=moment),
        EntityRequest(operation=None, id="lock", parent="p", position=1, timestamp=moment, predecessor=moment),
        EntityRequest(operation="op", id="unlabelled", parent="p"),
    ]
    sorter = MessageSorter()
    for each in unsorted * 2:
        assert sorter.receive(each, WINDOW) == [each]
    assert sorter.sources == {}


def test_sources_are_forgotten_after_the_window():
    sorter = MessageSorter()
    for number in range(50):
        sorter.receive(_send(f"s{number}", [NOW])[0], WINDOW)
    assert len(sorter.sources) == 50
    sorter.receive(_send("late", [NOW + 2 * WINDOW + 11 * TICKS_PER_SECOND])[0], WINDOW)
    assert list(sorter.sources) == ["late"]


def test_senders_forget_targets_after_the_window():
    labels = SendLabels()
    for number in range(50):
        labels.label(f"@c@{number}", NOW, WINDOW)
    labels.label("@c@new", NOW + WINDOW + 11 * TICKS_PER_SECOND, WINDOW)
    assert list(labels.last_sent) == ["@c@new"]


def test_a_request_older_than_the_horizon_is_delivered_at_once():
    sorter = MessageSorter()
    sorter.receive(_send("new", [NOW])[0], WINDOW)
    old = EntityRequest(
        operation="op", id="old", parent="s", timestamp=read_moment("2024-05-01T11:00:00Z"),
        predecessor=read_moment("2024-05-01T10:59:00Z"),
    )  # fmt: skip
    assert sorter.receive(old, WINDOW) == [old]
    assert "s" not in sorter.sources


@pytest.mark.parametrize(
    "text",
    [
        operation_text(operation="add", request_id="r", input="1", parent="i", parent_execution="e"),
        operation_text(operation="add", request_id="r", input="1", is_signal=True),
        lock_text(critical_section_id="r", lock_set=[TARGET], position=0, parent="i", parent_execution="e"),
    ],
)
def test_request_of_2x_code_is_never_held_back(text: str):
    sorter = MessageSorter()
    late = _send("i", [NOW, NOW + TICKS_PER_SECOND])[1]
    assert sorter.receive(late, WINDOW) == []
    assert _ids(sorter.receive(read_request(text), WINDOW)) == ["r"]
