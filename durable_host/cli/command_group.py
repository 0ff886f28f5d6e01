"""A click group that suggests the command that an unknown word may mean and understands `help`.

It also notes if the command is to write JSON, even if there is no such command or the arguments are not valid.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise

import click

from durable_host.cli.help_layout import HelpContext
from durable_host.config import suggestion

SWAPPED = 0.66
"""The similarity at which a command is suggested: two letters of a short name may be swapped, as in 'nwe'."""

JSON_ERRORS = "json_errors"
"""The member of the root context's object that is true if errors are to be JSON objects."""


class CommandGroup(click.Group):
    """A group of commands. `elsewhere` and `aliases` are those of `LazyGroup`."""

    context_class = HelpContext
    elsewhere: Mapping[str, str] = {}
    aliases: Mapping[str, str] = {}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _noted_if_json(ctx, args):
            return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        with _noted_if_json(ctx, args):
            found, command, rest = self._resolved(ctx, args)
        if command is not None:
            command.context_class = HelpContext
            if _has_formats(command) and _asks_for_json(rest):
                _note_json(ctx)
        return found, command, rest

    def _resolved(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0].lower()
        known = [*self.list_commands(ctx), *self.aliases]
        if name == "help":
            if len(args) > 1:
                meant, command, rest = self.resolve_command(ctx, args[1:])
                return meant, command, [*rest, "--help"]
            return "help", click.Command("help", callback=lambda: click.echo(ctx.get_help())), []
        if name in self.elsewhere:
            raise click.UsageError(self.elsewhere[name], ctx)
        if name not in known and not name.startswith("-"):
            longer = [one for one in known if one.startswith(f"{name}-")]
            meant = longer[0] if len(longer) == 1 else suggestion.closest(name, known, SWAPPED)
            hint = f" Did you mean '{meant}'?" if meant else ""
            raise click.UsageError(f"unknown command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@contextmanager
def _noted_if_json(ctx: click.Context, args: Sequence[str]) -> Generator[None]:
    """Note that JSON is asked for if the arguments are not valid before a command is found."""
    words = list(args)
    try:
        yield
    except click.UsageError:
        if _asks_for_json(words):
            _note_json(ctx)
        raise


def _note_json(ctx: click.Context) -> None:
    ctx.find_root().ensure_object(dict)[JSON_ERRORS] = True


def _has_formats(command: click.Command) -> bool:
    """Whether its `--output` is a format. In some commands it is a folder."""
    formats = next((one.type for one in command.params if "--output" in one.opts), None)
    return isinstance(formats, click.Choice) and "json" in formats.choices


def _asks_for_json(args: Sequence[str]) -> bool:
    """Whether the last `--output` among the arguments is `json`, even if click cannot parse them."""
    words = [word.lower() for word in args]
    if "--" in words:  # What follows are no options.
        del words[words.index("--") :]
    chosen = ""
    for word, following in pairwise([*words, ""]):
        if word == "--output":
            chosen = following
        elif word.startswith("--output="):
            chosen = word.partition("=")[2]
    return chosen == "json"
