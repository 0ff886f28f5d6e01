"""`func durable export`."""

from pathlib import Path
from typing import Any, Final

import click

from durable_host.cli.app_folder import working_folder
from durable_host.cli.atomic_write import write_atomically
from durable_host.cli.command_failure import warn
from durable_host.cli.durable import errors, options, state_json
from durable_host.cli.durable.hub_session import HubSession, config_of, run
from durable_host.cli.durable.sdk_of_test import other_sdk
from durable_host.dashboard.exported_test import history_file, test_file

_ENTITY: Final = "@"


@click.command()
@options.instance_id
@click.option("--as-test", is_flag=True, help="Also write a pytest file that replays the history.")
@click.option(
    "--output",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder to write to (default: the current one). It is created if it is missing.",
)
@options.hub_choice
@click.pass_context
def export(ctx: click.Context, instance_id: str, as_test: bool, folder: Path, **given: Any) -> None:
    """Save the history of one instance for tests, in the folder histories.

    \b
    Example:
      func durable export --id order-7 --as-test --output tests
    """
    target = working_folder(ctx) / folder

    async def work(session: HubSession) -> None:
        state = await session.client.get(instance_id, fetch_input=False, fetch_output=False)
        if state is None:
            raise errors.missing(instance_id)
        events = await session.client.history(instance_id)
        if not events or instance_id.startswith(_ENTITY):
            raise errors.NotPossible(
                f"'{instance_id}' has no history of an orchestration, so nothing can be replayed.",
                cause="It is an entity." if instance_id.startswith(_ENTITY) else "It has not begun to run.",
                remedy="'func durable get-instances' lists the instances of the hub.",
            )
        document = state_json.history(events, as_stored=True)
        _write(target, *history_file(state.name, instance_id, document), keep=False)
        if as_test:
            _write(target, *test_file(state.name, instance_id), keep=True)
            hint = other_sdk(config_of(ctx, given.get("task_hub_name")), events)
            if hint is not None:
                warn(hint)

    run(ctx, given, work)


def _write(folder: Path, name: str, text: str, *, keep: bool) -> None:
    """Write one file and print its path. A file to `keep` is not replaced: somebody may have edited it."""
    path = folder / name
    if keep and path.exists():
        click.echo(f"Kept {path}, which exists.")
        return
    try:
        write_atomically(path, text)
    except OSError as error:
        raise errors.ExportFailed(
            f"'{path}' cannot be written.", cause=str(error), remedy="Pass another folder with --output."
        ) from error
    click.echo(f"Wrote {path}")
