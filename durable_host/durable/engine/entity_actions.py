"""Actions of 2.x entity code besides its results: signals and starts of orchestrations.

Source: docs/protocol/durable-v2.md#scheduler
"""

import uuid
from collections.abc import Callable, Sequence

from durable_host.durable.engine.completion import FIRE_AND_FORGET
from durable_host.durable.engine.entity_messages import SendLabels, request_event_name, request_json
from durable_host.durable.engine.entity_outbox import Outbox
from durable_host.durable.engine.refusals import refuse_id
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionStarted, OrchestrationInstance, ParentInstance
from durable_host.durable.model.numbered import EntityAction, OrchestrationBegun, SignalSent


def carry_out_actions(
    actions: Sequence[EntityAction],
    outbox: Outbox,
    labels: SendLabels,
    *,
    new_id: Callable[[], str],
    reorder_window: int,
    default_version: str | None,
) -> list[str]:
    """Put the messages of the actions into the outbox. Return the reasons why others were dropped.

    A started orchestration has the entity as its parent but does not send it a result.
    """
    refused: list[str] = []
    for action in actions:
        match action:
            case SignalSent():
                refusal = refuse_id(action.target)
                is_entity = action.target.startswith("@")
                if refusal is not None or not is_entity:
                    refused.append(refusal.text if refusal is not None else f"'{action.target}' is not an entity.")
                    continue
                _signal(action, outbox, labels, str(uuid.UUID(new_id())), reorder_window)
            case OrchestrationBegun():
                refusal = refuse_id(action.instance_id)
                if refusal is not None or action.instance_id.startswith("@"):
                    problem = f"'{action.instance_id}' is not the ID of an orchestration."
                    refused.append(refusal.text if refusal is not None else problem)
                    continue
                _start(action, outbox, new_id(), default_version)
            case _:
                refused.append(f"{type(action).__name__} is not an action of an entity.")
    return refused


def _signal(action: SignalSent, outbox: Outbox, labels: SendLabels, request_id: str, reorder_window: int) -> None:
    label, predecessor = labels.label(action.target, outbox.now, reorder_window)
    text = request_json(
        operation=action.operation,
        request_id=request_id,
        input=action.input,
        is_signal=True,
        parent=outbox.instance_id,
        due=action.due,
        timestamp_label=label,
        predecessor=predecessor,
    )
    name = request_event_name(action.due, outbox.now)
    outbox.send(action.target, name, text, what=(action.target, action.operation, action.input, str(action.due)))


def _start(action: OrchestrationBegun, outbox: Outbox, instance_id: str, default_version: str | None) -> None:
    target = action.instance_id or instance_id
    content = (target, action.name, action.input, str(action.due))
    id = outbox.identity(ExecutionStarted, content)
    instance = OrchestrationInstance(target, identity.execution_of(id, is_of_v2=True))
    started = ExecutionStarted(
        timestamp=outbox.now,
        orchestration_instance=instance,
        parent_instance=ParentInstance(outbox.instance_id, outbox.sender, len(outbox.sent)),
        tags={FIRE_AND_FORGET: ""},
        name=action.name,
        version=action.version or default_version or "",
        input=action.input,
        parent_trace_context=action.trace,
        scheduled_start_time=action.due if action.due is not None and action.due > outbox.now else None,
    )
    outbox.add(started, instance, id, tags=dict(started.tags or {}))
