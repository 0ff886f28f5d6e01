"""`func durable purge-history`."""

from typing import Any

import click

from durable_host import timestamp
from durable_host.cli import option_lists
from durable_host.cli.durable import options
from durable_host.cli.durable.hub_session import HubSession, run
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.status import TERMINAL_STATUSES
from durable_host.durable.taskhub.port import UnreadableHistory

_LAST = timestamp.MAX_TICKS - 24 * 3600 * timestamp.TICKS_PER_SECOND


@click.command(cls=option_lists.StatusListCommand)
@options.created_range
@click.option(
    "--runtime-status",
    metavar="STATUS...",
    multiple=True,
    callback=option_lists.split,
    help="Only instances in one of these statuses: completed, terminated, canceled, failed.",
)
@options.hub_options
@click.pass_context
def purge_history(
    ctx: click.Context,
    created_after: int | None,
    created_before: int | None,
    runtime_status: tuple[str, ...],
    **given: Any,
) -> None:
    """Delete instances that have ended, with their histories. Running ones are kept."""
    wanted = options.statuses(runtime_status, terminal_only=True)
    query = InstanceQuery(
        created_from=created_after,
        created_to=created_before,
        statuses=wanted or TERMINAL_STATUSES,
        fetch_input=False,
        fetch_output=False,
    )

    async def work(session: HubSession) -> None:
        found = [state.instance_id async for state in session.client.query_all(query)]
        instances = rows = 0
        for instance_id in found:
            count = await _rows(session, instance_id)
            if await session.hub.purge_instance(instance_id):
                instances += 1
                rows += count
        after = timestamp.to_text(created_after or timestamp.MIN_TICKS)
        before = timestamp.to_text(_LAST if created_before is None else created_before)
        text = f"Purged orchestration history for all instances created between '{after}' and '{before}'"
        if wanted:
            names = ",".join(status.name for status in sorted(wanted))
            text += f" and whose runtime status matched one of the following: [{names}]"
        session.say(
            f"{text}\nInstances deleted: {instances}\nRows deleted: {rows}",
            instancesDeleted=instances,
            rowsDeleted=rows,
        )

    run(ctx, given, work)


async def _rows(session: HubSession, instance_id: str) -> int:
    """The number of rows in an instance's history: its events and the sentinel."""
    try:
        events = await session.client.history(instance_id)
    except UnreadableHistory:
        return 0
    return len(events) + 1 if events else 0
