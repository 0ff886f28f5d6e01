"""`func durable delete-task-hub`."""

from typing import Any

import click

from durable_host.cli.durable.hub_session import HubSession, run
from durable_host.cli.durable.options import hub_options


@click.command()
@hub_options
@click.pass_context
def delete_task_hub(ctx: click.Context, **given: Any) -> None:
    """Delete a task hub and everything in it: queues, tables, blobs. Stop its hosts first. There is no prompt."""

    async def work(session: HubSession) -> None:
        await session.hub.delete()
        session.say(f"Task hub '{session.name}' successfully deleted.", taskHub=session.name)

    run(ctx, given, work, must_exist=False)
