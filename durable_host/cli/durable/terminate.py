"""`func durable terminate`."""

import sys
from typing import Any

import click

from durable_host.cli.colour import YELLOW, is_coloured, painted
from durable_host.cli.durable import options
from durable_host.cli.durable.errors import InstanceMissing
from durable_host.cli.durable.hub_session import HubSession, run
from durable_host.cli.durable.wait_until import until
from durable_host.durable.api.errors import InstanceNotFound


@click.command()
@options.instance_id
@options.reason
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=30,
    metavar="SECONDS",
    help="How long to wait for the end (default: 30).",
)
@options.hub_options
@click.pass_context
def terminate(ctx: click.Context, instance_id: str, reason: str | None, timeout: float, **given: Any) -> None:
    """Terminate an instance, and wait until a host has ended it."""

    async def work(session: HubSession) -> None:
        try:
            await session.client.terminate(instance_id, reason)
        except InstanceNotFound as error:
            raise InstanceMissing(
                f"Failed to find instance '{instance_id}'. No instance was terminated.",
                remedy="'func durable get-instances' lists the instances of the hub.",
            ) from error
        if session.output == "text":
            click.echo(
                f"Sent a termination message to instance '{instance_id}'. Waiting up to {timeout:g} seconds for the "
                "orchestration to actually terminate..."
            )
        state = await until(session.client, instance_id, lambda state: state.runtime_status.is_terminal, timeout)
        ended = state is not None and state.runtime_status.is_terminal
        text = f"Successfully terminated '{instance_id}'"
        if not ended:
            note = "(The message waits in the hub's queue for a host: func start.)"
            text = "Instance did not terminate within the given timeout.\n"
            text += painted(note, YELLOW, is_coloured(sys.stdout))
        session.say(text, instanceId=instance_id, terminated=ended)

    run(ctx, given, work)
