"""A click group that imports its commands when they run, so that `func start` imports only what it needs."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from durable_host.cli.command_group import CommandGroup

Commands = Mapping[str, tuple[str, str]]
"""Command → (module:attribute, line of the help)."""


class LazyGroup(CommandGroup):
    """A group of commands that are imported when they run.

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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and help lines, without importing the commands."""
        names = [
            CompletionItem(name, help=line)
            for name, (_, line) in self.commands_of.items()
            if name.startswith(incomplete.lower())
        ]
        return names if not incomplete.startswith("-") else super().shell_complete(ctx, incomplete)
