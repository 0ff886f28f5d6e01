"""A click group that imports its commands when they run, so that `func start` imports only what it needs."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from durable_host.config import suggestion

Commands = Mapping[str, tuple[str, str]]
"""Command → (module:attribute, line of the help)."""


class LazyGroup(click.Group):
    """A group of commands.

    `commands_of` lists the commands, and `sections` the headings of the help (heading, names). `elsewhere` has one
    sentence for each command of Core Tools that is not available here. `aliases` are other names of commands.
    """

    def __init__(
        self,
        *args: Any,
        commands_of: Commands,
        sections: Sequence[tuple[str, Sequence[str]]] = (),
        elsewhere: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.commands_of = commands_of
        self.sections = sections
        self.elsewhere = elsewhere or {}
        self.aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_of)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = self.aliases.get(cmd_name, cmd_name)
        if cmd_name not in self.commands_of:
            return None
        module, _, attribute = self.commands_of[cmd_name][0].partition(":")
        return getattr(import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, names in self.sections or [("Commands", list(self.commands_of))]:
            with formatter.section(heading):
                formatter.write_dl([(name, self.commands_of[name][1]) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0].lower()
        if name == "help":
            if len(args) > 1:
                meant, command, rest = self.resolve_command(ctx, args[1:])
                return meant, command, [*rest, "--help"]
            return "help", click.Command("help", callback=lambda: click.echo(ctx.get_help())), []
        if name in self.elsewhere:
            raise click.UsageError(self.elsewhere[name], ctx)
        if name not in self.commands_of and name not in self.aliases and not name.startswith("-"):
            known = [*self.commands_of, *self.aliases]
            longer = [one for one in known if one.startswith(f"{name}-")]
            meant = longer[0] if len(longer) == 1 else suggestion.closest(name, known)
            hint = f" Did you mean '{meant}'?" if meant else ""
            raise click.UsageError(
                f"unknown command '{args[0]}'.{hint} '{ctx.command_path} --help' lists the commands.", ctx
            )
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and help lines, without importing the commands."""
        names = [
            CompletionItem(name, help=line)
            for name, (_, line) in self.commands_of.items()
            if name.startswith(incomplete.lower())
        ]
        return names if not incomplete.startswith("-") else super().shell_complete(ctx, incomplete)
