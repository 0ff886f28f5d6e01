"""`func durable suspend` and `func durable resume`."""

from typing import Any

import click

from durable_host.cli.durable import options
from durable_host.cli.durable.session import HubSession, run


@click.command()
@options.instance_id
@options.reason
@options.hub_options
@click.pass_context
def suspend(ctx: click.Context, instance_id: str, reason: str | None, **given: Any) -> None:
    """Make an instance pause: events and results are kept until it is resumed."""

    async def work(session: HubSession) -> None:
        await session.client.suspend(instance_id, reason)
        session.say(f"Sent a suspension message to instance '{instance_id}'.", instanceId=instance_id)

    run(ctx, given, work)


@click.command()
@options.instance_id
@options.reason
@options.hub_options
@click.pass_context
def resume(ctx: click.Context, instance_id: str, reason: str | None, **given: Any) -> None:
    """Make a paused instance go on."""

    async def work(session: HubSession) -> None:
        await session.client.resume(instance_id, reason)
        session.say(f"Sent a resumption message to instance '{instance_id}'.", instanceId=instance_id)

    run(ctx, given, work)
