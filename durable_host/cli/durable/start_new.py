"""`func durable start-new`."""

import asyncio
from typing import Any

import click

from durable_host import timestamp
from durable_host.cli.durable.hub_session import HubSession, run
from durable_host.cli.durable.known_orchestrators import warning_about
from durable_host.cli.durable.options import DATA_HINT, hub_options, json_data


@click.command(epilog=DATA_HINT)
@click.option("--function-name", metavar="NAME", required=True, help="The orchestrator.")
@click.option("--id", "instance_id", metavar="ID", help="ID of the new instance (default: a random one).")
@click.option("--input", "input_text", metavar="DATA", help="Input of the orchestrator: @file.json, or text.")
@hub_options
@click.pass_context
def start_new(
    ctx: click.Context, function_name: str, instance_id: str | None, input_text: str | None, **given: Any
) -> None:
    """Start an orchestration. It runs as soon as a host serves the hub.

    The name is not checked. If the app's running host has no such orchestrator, a warning says so.
    """
    data = json_data(input_text) or "null"

    async def work(session: HubSession) -> None:
        started = await session.client.start(function_name, instance_id=instance_id, input=data)
        state = await session.client.get(started, fetch_input=False, fetch_output=False)
        created = timestamp.to_text(state.created_time) if state is not None else ""
        session.say(
            f"Started '{function_name}' at {created}. Instance ID: '{started}'.",
            instanceId=started,
            name=function_name,
            createdTime=created,
        )
        caution = await asyncio.to_thread(warning_about, function_name, session.config) if session.is_of_app else None
        if caution is not None:
            session.warn(caution)

    run(ctx, given, work, create=True)
