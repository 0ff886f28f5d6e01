"""`func durable raise-event`."""

import uuid
from typing import Any

import click

from durable_host.cli.durable import options
from durable_host.cli.durable.hub_session import HubSession, run


@click.command(epilog=options.DATA_HINT)
@options.instance_id
@click.option("--event-name", metavar="NAME", help="Name of the event (default: Event_ and a random number).")
@click.option("--event-data", metavar="DATA", help="Data of the event: @file.json, or text.")
@options.hub_options
@click.pass_context
def raise_event(
    ctx: click.Context, instance_id: str, event_name: str | None, event_data: str | None, **given: Any
) -> None:
    """Send an event to an instance. It may arrive before the instance waits for it."""
    name = event_name or f"Event_{uuid.uuid4().hex}"
    data = options.json_data(event_data)

    async def work(session: HubSession) -> None:
        await session.client.raise_event(instance_id, name, data)
        session.say(f"Raised event '{name}' to instance '{instance_id}'.", instanceId=instance_id, eventName=name)

    run(ctx, given, work)
