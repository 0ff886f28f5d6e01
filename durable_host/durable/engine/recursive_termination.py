"""Terminates the children of an execution that ends by a recursive termination.

The engine does this, because only it knows all children: those that are scheduled in the last turn too.
"""

from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionTerminated, OrchestrationInstance
from durable_host.durable.model.messages import TaskMessage


def terminations_of_children(state: OrchestrationState, now: int) -> list[TaskMessage]:
    """Return a message to each child that has not ended, if the termination is recursive. `now` is in ticks."""
    termination = state.termination
    if termination is None or not termination.recurse:
        return []
    event = ExecutionTerminated(timestamp=now, input=termination.input, recurse=True)
    kind = ExecutionTerminated.event_name
    return [
        TaskMessage(
            event=event,
            target=OrchestrationInstance(child.instance_id),
            sender=state.instance,
            episode=state.episodes,
            id=identity.decided(state.instance, state.episodes, kind, child.event_id, (child.instance_id,)),
        )
        for child in state.calls.open_children
    ]
