"""The ledger of an instance as an assertion: which events were taken and which were lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from durable_host.testing.event_ledger import EventLedger, ExternalEvent

pytestmark = pytest.mark.unit


def event(name: str, data: Any, fate: Any, **more: Any) -> ExternalEvent:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    return ExternalEvent(name=name, data=data, sent=now, received=now, fate=fate, **more)


TAKEN = event("Approval", True, "taken", is_early=True, note="It was kept.")
LOST = event("approval", False, "caseDiffers", note="The code waits for 'Approval'.")
KEPT = event("Other", None, "buffered")
LEDGER = EventLedger("'order-7' (approval)", [TAKEN, LOST, KEPT])


def test_events_are_found_by_name_and_fate() -> None:
    assert LEDGER.of("Approval") == [TAKEN]
    assert LEDGER.lost == [LOST]
    assert len(LEDGER) == 3
    assert [one.is_taken for one in LEDGER] == [True, False, False]


def test_an_event_that_was_taken_passes() -> None:
    LEDGER.assert_taken("Approval")
    LEDGER.assert_taken("Approval", True, times=1)
    LEDGER.assert_not_taken("approval")
    EventLedger("x", [TAKEN, KEPT]).assert_none_lost()


def test_data_is_compared_as_json() -> None:
    EventLedger("x", [event("Paid", [1, 2], "taken")]).assert_taken("Paid", (1, 2))


@pytest.mark.parametrize(
    ("arguments", "headline"),
    [
        (("Other",), "No event 'Other' was taken by 'order-7' (approval)."),
        (("Approval", False), "No event 'Approval' with the data false was taken by 'order-7' (approval)."),
    ],
)
def test_an_event_that_was_not_taken_fails_with_the_ledger(arguments: tuple[Any, ...], headline: str) -> None:
    with pytest.raises(AssertionError) as failure:
        LEDGER.assert_taken(*arguments)
    assert str(failure.value).splitlines() == [
        headline,
        "(> lost)",
        "",
        "  2024-01-01 00:00:00  Approval true: taken, early. It was kept.",
        "> 2024-01-01 00:00:00  approval false: caseDiffers. The code waits for 'Approval'.",
        "  2024-01-01 00:00:00  Other null: buffered.",
    ]


def test_the_number_of_events_is_checked() -> None:
    with pytest.raises(AssertionError, match="has taken 1 event 'Approval', not 2"):
        LEDGER.assert_taken("Approval", times=2)


def test_a_taken_event_fails_where_none_was_expected() -> None:
    with pytest.raises(AssertionError, match="An event 'Approval' was taken by"):
        LEDGER.assert_not_taken("Approval")


def test_lost_events_fail() -> None:
    with pytest.raises(AssertionError, match=r"'order-7' .* has lost 1 event"):
        LEDGER.assert_none_lost()
