"""The rendering of events on the console.

Source: docs/protocol/functions-host-cli.md#line-format
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from durable_host.cli.lines import Event, OutputMode, compact, json_line, level_name, plain, render, timestamp

MOMENT = 1714558829.0017


def event(message: str, level: int = logging.INFO, **extra: Any) -> Event:
    return Event(MOMENT, level, "Function.hello.User", message, **extra)


def test_plain_line_has_the_time_in_utc_with_milliseconds():
    assert plain(event("hello")) == "[2024-05-01T10:20:29.001Z] hello\n"


def test_every_physical_line_gets_the_prefix():
    assert plain(event("one\ntwo\r\nthree\n")) == (
        "[2024-05-01T10:20:29.001Z] one\n[2024-05-01T10:20:29.001Z] two\n[2024-05-01T10:20:29.001Z] three\n"
    )


@pytest.mark.parametrize("mode", ["plain", "compact", "json"])
@pytest.mark.parametrize("message", ["", "  ", "\n"])
def test_empty_messages_are_dropped(mode: OutputMode, message: str):
    assert render(event(message), mode, False) == ""


@pytest.mark.parametrize(
    ("level", "colour"), [(10, "32"), (20, "36"), (30, "33"), (40, "31")], ids=["debug", "info", "warning", "error"]
)
def test_levels_have_colours(level: int, colour: str):
    line = plain(event("text", level), coloured=True)
    assert line == f"\x1b[0;90m[2024-05-01T10:20:29.001Z]\x1b[0m \x1b[0;{colour}mtext\x1b[0m\n"


def test_compact_line_names_function_and_severity():
    line = compact(event("first\nsecond", logging.WARNING, function="hello"), coloured=False)
    first, second = line.splitlines()
    assert first[8:] == " warn hello first"
    assert second == "         second"


def test_json_line_has_the_members_that_are_known():
    line = json_line(event('say "hi"\nagain', function="hello", instance_id="abc"))
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "2024-05-01T10:20:29.001Z",
        "level": "Information",
        "category": "Function.hello.User",
        "function": "hello",
        "instanceId": "abc",
        "message": 'say "hi"\nagain',
    }


def test_json_line_says_how_something_ended():
    failure = {"type": "KeyError", "message": "half \ud800 pair", "line": 7}
    line = json_line(event("failed", status="Failed", duration_ms=12, exception=failure))
    told = json.loads(line)
    assert (told["status"], told["durationMs"]) == ("Failed", 12)
    assert told["exception"] == {"type": "KeyError", "message": "half ? pair", "line": 7}


def test_levels_have_dotnet_names():
    names = [level_name(level) for level in (1, 5, 10, 20, 25, 30, 40, 50)]
    assert names == ["Trace", "Trace", "Debug", "Information", "Information", "Warning", "Error", "Critical"]


def test_half_a_surrogate_pair_costs_one_character_and_no_line():
    line = json_line(event("half \ud800 pair", function="hello"))
    assert json.loads(line)["message"] == "half ? pair"


@given(st.floats(0, 4e9))
@example(1696592807.4819994)
@example(1.9999999)
def test_timestamp_has_the_milliseconds_that_have_begun(created: float) -> None:
    moment = datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")
    assert timestamp(created) == moment.replace("+00:00", "Z")
