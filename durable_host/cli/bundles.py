"""`func bundles` and `func extensions`: commands of Core Tools that this host accepts but does not need."""

from typing import Final

import click

from durable_host.cli.command_group import CommandGroup

_BUNDLE: Final = (
    "This host has built-in triggers and bindings: there is no extension bundle to {what}, and nothing was "
    "downloaded. The extensionBundle section of host.json is kept for Azure."
)
_EXTENSION: Final = "This host has built-in triggers and bindings: there are no extensions to {what}."


def _echo(name: str, text: str) -> click.Command:
    def say(rest: tuple[str, ...]) -> None:
        click.echo(text)

    return click.Command(
        name,
        callback=say,
        context_settings={"ignore_unknown_options": True},
        params=[click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)],
        help="Accepted, but does nothing.",
    )


bundles: Final = CommandGroup(
    "bundles",
    commands={
        name: _echo(name, _BUNDLE.format(what={"path": "locate"}.get(name, name)))
        for name in ("add", "download", "list", "path")
    },
    help="Extension bundles: this host needs none.",
)

extensions: Final = CommandGroup(
    "extensions",
    commands={name: _echo(name, _EXTENSION.format(what=name)) for name in ("install", "sync")},
    help="Extensions: this host needs none.",
)
