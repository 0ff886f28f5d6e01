"""Prompts on the terminal."""

import sys
from collections.abc import Callable, Sequence

import click

from durable_host.config import suggestion


def is_interactive() -> bool:
    """True if stdin and stdout are a terminal."""
    try:
        return sys.stdin.isatty() and sys.stdout.isatty()
    except (ValueError, AttributeError):
        return False


def choose(question: str, options: Sequence[str], default: int = 1) -> int:
    """Show numbered options and ask for one, by number or name. Returns its index."""
    click.echo(f"{question}:")
    width = len(str(len(options)))
    for number, option in enumerate(options, 1):
        click.echo(f"{number:>{width}}. {option}")

    def read(text: str) -> int:
        if text.strip().isdigit() and 1 <= int(text) <= len(options):
            return int(text) - 1
        for index, option in enumerate(options):
            if option.casefold() == text.strip().casefold():
                return index
        meant = suggestion.closest(text, options)
        raise click.BadParameter(
            f"'{text}' is not one of them" + (f"; did you mean '{meant}'?" if meant else f" (1 to {len(options)}).")
        )

    return click.prompt("Choose option", default=str(default), value_proc=read)


def ask(question: str, default: str | None = None, check: Callable[[str], str] | None = None) -> str:
    """Prompt for a text. `check` returns the text, possibly corrected, or raises BadParameter."""
    return click.prompt(question, default=default, value_proc=check)
