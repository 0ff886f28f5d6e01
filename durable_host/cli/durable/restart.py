"""`func durable restart`."""

from typing import Any

import click

from durable_host.cli.durable import options
from durable_host.cli.durable.hub_session import HubSession, run


@click.command()
@options.instance_id
@click.option(
    "--same-id", is_flag=True, help="Replace the instance, which must have ended, instead of creating another one."
)
@options.hub_options
@click.pass_context
def restart(ctx: click.Context, instance_id: str, same_id: bool, **given: Any) -> None:
    """Start the orchestrator of an instance again with the same input, as a new instance."""

    async def work(session: HubSession) -> None:
        started = await session.client.restart(instance_id, new_id=instance_id if same_id else None)
        session.say(f"Restarted '{instance_id}'. Instance ID: '{started}'.", restarted=instance_id, instanceId=started)

    run(ctx, given, work)
