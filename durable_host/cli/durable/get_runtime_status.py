"""`func durable get-runtime-status`."""

import sys
from typing import Any

import click

from durable_host.cli.colour import RED, is_coloured, painted
from durable_host.cli.durable import options, state_json
from durable_host.cli.durable.hub_session import HubSession, run


def _switch(name: str, text: str) -> options.Decorator:
    """A flag that accepts an optional value: `--show-input` or `--show-input true`."""
    return click.option(
        name, type=bool, is_flag=False, flag_value="true", default=False, metavar="[true/false]", help=text
    )


@click.command()
@options.instance_id
@_switch("--show-input", "Show the input too.")
@_switch("--show-output", "Show the output too.")
@options.hub_options
@click.pass_context
def get_runtime_status(ctx: click.Context, instance_id: str, show_input: bool, show_output: bool, **given: Any) -> None:
    """Show the state of one instance as JSON. An unknown ID is not an error."""

    async def work(session: HubSession) -> None:
        state = await session.client.get(instance_id, fetch_input=show_input, fetch_output=show_output)
        if state is None:
            text = f"Could not find an orchestration instance with id '{instance_id}'"
            if session.output == "json":
                session.warn(text)
                click.echo("null")
            else:
                click.echo(painted(text, RED, is_coloured(sys.stderr)), err=True)
            return
        click.echo(state_json.indented(state_json.state(state)))

    run(ctx, given, work)
