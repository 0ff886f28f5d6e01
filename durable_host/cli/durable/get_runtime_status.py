"""`func durable get-runtime-status`."""

import sys
from typing import Any

import click

from durable_host.cli.colour import RED, is_coloured, painted
from durable_host.cli.durable import options, state_json
from durable_host.cli.durable.session import HubSession, run


@click.command()
@options.instance_id
@click.option("--show-input", is_flag=True, help="Show the input too.")
@click.option("--show-output", is_flag=True, help="Show the output too.")
@options.hub_options
@click.pass_context
def get_runtime_status(ctx: click.Context, instance_id: str, show_input: bool, show_output: bool, **given: Any) -> None:
    """Show the state of one instance as JSON. An unknown ID is no failure."""

    async def work(session: HubSession) -> None:
        state = await session.client.get(instance_id, fetch_input=show_input, fetch_output=show_output)
        if state is None:
            text = f"Could not find an orchestration instance with id '{instance_id}'"
            click.echo(painted(text, RED, is_coloured(sys.stderr)), err=True)
            return
        click.echo(state_json.indented(state_json.state(state)))

    run(ctx, given, work)
