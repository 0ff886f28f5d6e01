"""Time spans in the format of .NET.

Source: docs/protocol/functions-host-config.md#time-spans
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_host.config import timespan


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:30", 30),
        ("01:02:03", 3723),
        ("1.00:00:00", 86_400),
        ("00:00:00.1000000", 0.1),
        ("-00:00:01", -1),
        ("10:20", 37_200),
        (" 00:01:00 ", 60),
    ],
)
def test_spans_are_read(text: str, seconds: float):
    assert timespan.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "24:00:00", "00:60:00", "1:2:3:4", "00:00:00.12345678", "a", "00:-1:00"])
def test_nonsense_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a time span"):
        timespan.parse(text)


@given(st.integers(0, 10**14))
def test_what_is_written_reads_the_same(ticks: int):
    assert round(timespan.parse(timespan.render(ticks / 10**7)) * 10**7) == pytest.approx(ticks, abs=2)


@pytest.mark.parametrize(("seconds", "text"), [(30, "00:00:30"), (90_061.5, "1.01:01:01.5000000"), (-1, "-00:00:01")])
def test_spans_are_written(seconds: float, text: str):
    assert timespan.render(seconds) == text
