"""A click group that suggests the command that an unknown word may mean and understands `help`.

It also notes if the command that it finds is to write JSON, even if the rest of its arguments is not valid.
"""

from collections.abc import Mapping, Sequence
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
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
        found, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            command.context_class = HelpContext
            if _asks_for_json(command, rest):
                ctx.find_root().ensure_object(dict)[JSON_ERRORS] = True
        return found, command, rest


def _asks_for_json(command: click.Command, args: Sequence[str]) -> bool:
    """Whether `--output json` is among the arguments, even if click cannot parse them.

    In some commands, `--output` is a folder.
    """
    formats = next((one.type for one in command.params if "--output" in one.opts), None)
    if not isinstance(formats, click.Choice) or "json" not in formats.choices:
        return False
    words = [word.lower() for word in args]
    return "--output=json" in words or ("--output", "json") in pairwise(words)
