"""Ticks and their text forms."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_host import timestamp


@pytest.mark.parametrize(
    ("text", "trimmed", "round_trip"),
    [
        ("2024-05-01T12:30:45.9876543Z", "2024-05-01T12:30:45.9876543Z", "2024-05-01T12:30:45.9876543Z"),
        ("2024-05-01T12:30:45.5Z", "2024-05-01T12:30:45.5Z", "2024-05-01T12:30:45.5000000Z"),
        ("2024-05-01T12:30:45Z", "2024-05-01T12:30:45Z", "2024-05-01T12:30:45.0000000Z"),
        ("2024-05-01T14:30:45+02:00", "2024-05-01T12:30:45Z", "2024-05-01T12:30:45.0000000Z"),
        ("2024-05-01T12:30:45", "2024-05-01T12:30:45Z", "2024-05-01T12:30:45.0000000Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000Z"),
    ],
)
def test_texts(text, trimmed, round_trip):
    ticks = timestamp.parse(text)
    assert (timestamp.to_text(ticks), timestamp.to_round_trip(ticks)) == (trimmed, round_trip)
    assert timestamp.to_unspecified_text(ticks) == trimmed[:-1]


@pytest.mark.parametrize("text", ["", "now", "2024-13-01T00:00:00Z", "2024-05-01T12:30:45.Z"])
def test_what_is_no_timestamp_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        timestamp.parse(text)


@given(st.integers(timestamp.MIN_TICKS, timestamp.MAX_TICKS))
def test_every_tick_survives_the_way_through_text(ticks):
    assert timestamp.parse(timestamp.to_text(ticks)) == ticks
    assert timestamp.parse(timestamp.to_round_trip(ticks)) == ticks


def test_datetimes_and_unix_times():
    moment = datetime(2024, 5, 1, 12, 30, 45, 987654, tzinfo=UTC)
    assert timestamp.to_datetime(timestamp.from_datetime(moment)) == moment
    assert timestamp.from_datetime(moment.replace(tzinfo=None)) == timestamp.from_datetime(moment)
    assert timestamp.from_datetime(moment.astimezone(timezone(timedelta(hours=2)))) == timestamp.from_datetime(moment)
