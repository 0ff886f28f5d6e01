"""`func durable get-history`."""

from typing import Any

import click

from durable_host.cli.durable import errors, options, state_json
from durable_host.cli.durable.hub_session import HubSession, run


@click.command()
@options.instance_id
@click.option(
    "--as-stored",
    is_flag=True,
    help="Keep the order in which the orchestration received the events, for a replay.",
)
@options.hub_options
@click.pass_context
def get_history(ctx: click.Context, instance_id: str, as_stored: bool, **given: Any) -> None:
    """Show the history of one instance as a JSON array, ordered by time."""

    async def work(session: HubSession) -> None:
        events = await session.client.history(instance_id)
        if not events and await session.client.get(instance_id, fetch_input=False, fetch_output=False) is None:
            raise errors.missing(instance_id)
        click.echo(state_json.indented(state_json.history(events, as_stored=as_stored)))

    run(ctx, given, work)
