"""`func bundles`: what Core Tools manage and this host does not need."""

import click

_NOTE = (
    "This host serves triggers and bindings by itself: there is no extension bundle to {what}, and nothing was "
    "downloaded. The extensionBundle section of host.json is kept for Azure."
)


def _echo(what: str) -> click.Command:
    def say(rest: tuple[str, ...]) -> None:
        click.echo(_NOTE.format(what={"path": "locate"}.get(what, what)))

    return click.Command(
        what,
        callback=say,
        context_settings={"ignore_unknown_options": True},
        params=[click.Argument(["rest"], nargs=-1, type=click.UNPROCESSED)],
        help=f"Nothing to {what}: this host needs no extension bundle.",
    )


bundles = click.Group(
    "bundles",
    commands={name: _echo(name) for name in ("add", "download", "list", "path")},
    help="Extension bundles: this host needs none.",
)
