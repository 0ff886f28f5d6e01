"""`func durable suspend` and `func durable resume`."""

from collections.abc import Callable
from typing import Any

import click

from durable_host.cli.durable import options
from durable_host.cli.durable.errors import NotPossible
from durable_host.cli.durable.hub_session import HubSession, run
from durable_host.cli.durable.wait_until import until
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus

_PATIENCE = 3.0


@click.command()
@options.instance_id
@options.reason
@options.hub_options
@click.pass_context
def suspend(ctx: click.Context, instance_id: str, reason: str | None, **given: Any) -> None:
    """Pause an instance: events and results are kept until it is resumed."""

    async def work(session: HubSession) -> None:
        await _require(session, instance_id, "suspend", lambda state: not _is_suspended(state))
        await session.client.suspend(instance_id, reason)
        session.say(f"Sent a suspension message to instance '{instance_id}'.", instanceId=instance_id)

    run(ctx, given, work)


@click.command()
@options.instance_id
@options.reason
@options.hub_options
@click.pass_context
def resume(ctx: click.Context, instance_id: str, reason: str | None, **given: Any) -> None:
    """Resume a paused instance."""

    async def work(session: HubSession) -> None:
        await _require(session, instance_id, "resume", _is_suspended)
        await session.client.resume(instance_id, reason)
        session.say(f"Sent a resumption message to instance '{instance_id}'.", instanceId=instance_id)

    run(ctx, given, work)


async def _require(
    session: HubSession, instance_id: str, operation: str, accepts: Callable[[InstanceState], bool]
) -> None:
    """Wait until the state allows the operation: an earlier message may still be on its way. Raises NotPossible."""

    def has_settled(state: InstanceState) -> bool:
        return accepts(state) or state.runtime_status.is_terminal

    state = await until(session.client, instance_id, has_settled, _PATIENCE)
    if state is not None and not has_settled(state):
        raise NotPossible(
            f"Cannot {operation} the orchestration instance {instance_id} because instance is in the "
            f"{state.runtime_status.name} state."
        )


def _is_suspended(state: InstanceState) -> bool:
    return state.runtime_status is OrchestrationStatus.Suspended
