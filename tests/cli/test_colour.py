"""Colours are only for terminals: piped output, and output without colours, is plain text."""

import io

import pytest

from durable_host.cli.colour import RED, is_coloured, painted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def test_a_terminal_shows_colours() -> None:
    assert is_coloured(Terminal())


@pytest.mark.parametrize("stream", [io.StringIO(), closed()], ids=["a pipe", "a closed stream"])
def test_what_is_not_a_terminal_shows_none(stream: io.StringIO) -> None:
    assert not is_coloured(stream)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_turns_colours_off(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert not is_coloured(Terminal())


def test_an_empty_no_color_leaves_them_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    assert is_coloured(Terminal())


@pytest.mark.parametrize(
    ("text", "coloured", "shown"), [("text", True, "\x1b[0;31mtext\x1b[0m"), ("text", False, "text"), ("", True, "")]
)
def test_text_is_painted_where_there_are_colours(text: str, coloured: bool, shown: str) -> None:
    assert painted(text, RED, coloured) == shown
