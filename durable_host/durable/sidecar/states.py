"""The state of an instance as clients see it over gRPC."""

from collections.abc import Sequence

from durable_host.durable.api.client import DurableClient
from durable_host.durable.model.events import ExecutionCompleted, FailureDetails, HistoryEvent
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_events import status_number
from durable_host.durable.sdk.v2_values import UNKNOWN_TYPE, failure_message, moment, wrapped
from durable_host.durable.taskhub.port import UnreadableHistory

_SHOWN_AS = {
    OrchestrationStatus.Canceled: OrchestrationStatus.Terminated,
    OrchestrationStatus.ContinuedAsNew: OrchestrationStatus.Running,
}
"""Clients raise an error for a cancelled instance, and do not expect one that is about to continue as new."""


async def orchestration_state(
    client: DurableClient, state: InstanceState, *, with_payloads: bool
) -> pb.OrchestrationState:
    """Return the state. Input, output, custom status and failure are included only `with_payloads`."""
    status = _SHOWN_AS.get(state.runtime_status, state.runtime_status)
    message = pb.OrchestrationState(
        instanceId=state.instance_id,
        name=state.name,
        version=wrapped(state.version or None),
        orchestrationStatus=status_number(status),
        scheduledStartTimestamp=moment(state.scheduled_start_time),
        createdTimestamp=moment(state.created_time),
        lastUpdatedTimestamp=moment(state.last_updated_time),
        executionId=wrapped(state.execution_id),
        completedTimestamp=moment(state.completed_time),
        parentInstanceId=wrapped(state.parent_instance_id or None),
        tags=state.tags or {},
    )
    if with_payloads:
        message.MergeFrom(
            pb.OrchestrationState(
                input=wrapped(state.input),
                output=wrapped(state.output),
                customStatus=wrapped(state.custom_status if state.custom_status != "null" else None),
            )
        )
        if status is OrchestrationStatus.Failed:
            message.failureDetails.CopyFrom(failure_message(await _failure(client, state)))
    return message


async def _failure(client: DurableClient, state: InstanceState) -> FailureDetails:
    """Return the failure in the history, or the output if the history does not contain one."""
    try:
        found = recorded_failure(await client.history(state.instance_id))
    except UnreadableHistory:
        found = None
    return found or FailureDetails(error_type=UNKNOWN_TYPE, error_message=state.output)


def recorded_failure(history: Sequence[HistoryEvent]) -> FailureDetails | None:
    """Return the failure that ended an execution."""
    return next(
        (event.failure_details for event in reversed(history) if isinstance(event, ExecutionCompleted)),
        None,
    )
