"""Calls that cannot be made: of unknown functions, and of instances with invalid IDs.

Source: docs/protocol/task-hub-storage.md#instance-id-limits,
    docs/protocol/durable-failures.md#unknown-functions,
    docs/protocol/durable-actions.md#sub-orchestrations
"""

from typing import NamedTuple

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.decisions import SubOrchestrationDecision
from durable_host.durable.engine.entity_messages import entity_name_of
from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.ids import is_too_long, is_well_formed
from durable_host.durable.user_code import UserCode

SAME_AS_PARENT = (
    "The instance ID of a sub-orchestration must be different than the instance ID of a parent orchestration."
)
ENTITY_LIKE_ID = "Orchestration instance ids must not start with @."
ID_TOO_LONG = "Instance ID lengths must not exceed 512 characters."
MALFORMED_ID = "Instance IDs must not contain an unpaired surrogate."


class Refusal(NamedTuple):
    """A decision that is answered with a failure instead of being carried out."""

    code: str
    text: str


def refuse_child(
    decision: SubOrchestrationDecision, parent: ExecutionStarted, parent_id: str, code: UserCode
) -> Refusal | None:
    """Return why a child instance cannot be started, or None. `parent` is the start of its parent."""
    return refuse_start(decision.action.name, decision.instance_id, parent, parent_id, code)


def refuse_start(name: str, child: str, parent: ExecutionStarted, parent_id: str, code: UserCode) -> Refusal | None:
    """Return why the orchestrator `name` cannot be started as the instance `child`, or None."""
    if not code.has_orchestrator(name):
        text = missing_function_text("orchestrator", name, code.orchestrator_names())
        return Refusal(codes.MISSING_FUNCTION, text)
    if child.startswith("@"):
        return Refusal(codes.BAD_INSTANCE_ID, ENTITY_LIKE_ID)
    if (unusable := refuse_id(child)) is not None:
        return unusable
    ancestors = [parent_id]
    if parent.parent_instance is not None:
        ancestors.append(parent.parent_instance.orchestration_instance.instance_id)
    if child.casefold() in (each.casefold() for each in ancestors):
        return Refusal(codes.BAD_INSTANCE_ID, SAME_AS_PARENT)
    return None


def refuse_entity(instance_id: str, code: UserCode) -> Refusal | None:
    """Return why an entity cannot be called, signalled or locked, or None."""
    name = entity_name_of(instance_id)
    if not code.has_entity(name):
        text = missing_function_text("entity", name, code.entity_names())
        return Refusal(codes.MISSING_FUNCTION, text)
    return refuse_id(instance_id)


def refuse_id(instance_id: str) -> Refusal | None:
    """Return why a message cannot hold the ID, or None."""
    if not is_well_formed(instance_id):
        return Refusal(codes.BAD_INSTANCE_ID, MALFORMED_ID)
    if is_too_long(instance_id):
        return Refusal(codes.BAD_INSTANCE_ID, ID_TOO_LONG)
    return None
