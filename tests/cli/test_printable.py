"""Text from others must not control the terminal."""

import json
import time

import pytest

from durable_host.cli import command_failure
from durable_host.cli.lines import Event, OutputMode, render
from durable_host.cli.printable import printable
from durable_host.errors import HostError

HOSTILE = "a\x1b]0;title\x07b\x00c\x9bm\x7fd\u202ee"
SPELLED = "a\\x1b]0;title\\x07b\\x00c\\x9bm\\x7fd\\u202ee"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("plain text, tab\tand ünïcode 日本", "plain text, tab\tand ünïcode 日本"),
        (HOSTILE, SPELLED),
        ("\x1b[2J", "\\x1b[2J"),
        ("back\rover", "back\\x0dover"),
    ],
)
def test_control_characters_are_spelled_out(line: str, shown: str) -> None:
    assert printable(line) == shown


def test_colours_of_the_app_pass_where_they_may_and_end_with_the_line() -> None:
    line = "\x1b[1;31mred\x1b[2Jmore"
    assert printable(line, keep_colours=True) == "\x1b[1;31mred\\x1b[2Jmore\x1b[0m"
    assert printable(line) == "\\x1b[1;31mred\\x1b[2Jmore"


@pytest.mark.parametrize("mode", ["plain", "compact"])
@pytest.mark.parametrize("coloured", [True, False])
def test_log_lines_are_printable_in_text(mode: OutputMode, coloured: bool) -> None:
    event = Event(time.time(), 40, "Function.f", f"failed\n{HOSTILE}", function="f\x07")
    shown = render(event, mode, coloured)
    assert SPELLED in shown
    assert "\x07" not in shown


def test_json_lines_keep_the_text_as_it_is() -> None:
    event = Event(time.time(), 40, "Function.f", HOSTILE)
    shown = render(event, "json", False)
    assert json.loads(shown)["message"] == HOSTILE
    assert not [character for character in shown.rstrip("\n") if ord(character) < 0x20]


@pytest.mark.parametrize(
    ("category", "kept"), [("Host.Function.Console", True), ("Function.f.User", True), ("Function.f", False)]
)
def test_only_what_the_app_prints_may_be_coloured(category: str, kept: bool) -> None:
    event = Event(time.time(), 20, category, "\x1b[32mgreen\x1b[0m")
    assert ("\x1b[32mgreen" in render(event, "plain", True)) is kept
    assert "\x1b" not in render(event, "plain", False)


def test_errors_of_commands_are_printable() -> None:
    text = command_failure.render(HostError(f"message {HOSTILE}", cause=f"cause\n{HOSTILE}", remedy=HOSTILE))
    assert text.count(SPELLED) == 3
    assert "\x07" not in text
