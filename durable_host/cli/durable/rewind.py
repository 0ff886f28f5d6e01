"""`func durable rewind`."""

from typing import Any

import click

from durable_host.cli.durable import options
from durable_host.cli.durable.errors import NotPossible
from durable_host.cli.durable.hub_session import HubSession, run
from durable_host.cli.durable.wait_until import until
from durable_host.durable.api.errors import NotFailed
from durable_host.durable.model.status import OrchestrationStatus

_PATIENCE = 3.0


@click.command()
@options.instance_id
@options.reason
@options.hub_options
@click.pass_context
def rewind(ctx: click.Context, instance_id: str, reason: str | None, **given: Any) -> None:
    """Retry the failed steps of a failed instance."""

    async def work(session: HubSession) -> None:
        before = await session.client.get(instance_id, fetch_input=False, fetch_output=False)
        try:
            await session.client.rewind(instance_id, reason)
        except NotFailed as error:
            raise NotPossible(
                "Orchestration instance not rewound. Must have a status of 'Failed', or an EventType of 'TaskFailed' "
                "or 'SubOrchestrationInstanceFailed' to be rewound.",
                cause=f"The status of '{instance_id}' is {before.runtime_status.name}." if before else None,
            ) from error
        status_before = before.runtime_status.name if before else "unknown"
        if session.output == "text":
            click.echo(f"Rewind message sent to instance '{instance_id}'. Retrieving new status now...")
        waiting = (OrchestrationStatus.Failed, OrchestrationStatus.Pending)
        after = await until(session.client, instance_id, lambda state: state.runtime_status not in waiting, _PATIENCE)
        status_after = after.runtime_status.name if after else "unknown"
        session.say(
            f"Status before rewind: {status_before}\nStatus after rewind: {status_after}",
            instanceId=instance_id,
            statusBefore=status_before,
            statusAfter=status_after,
        )

    run(ctx, given, work)
