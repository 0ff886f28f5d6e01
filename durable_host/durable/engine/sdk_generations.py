"""Decides whether code of one SDK generation can continue instances of the other one.

2.x code continues instances of 1.x code (`taking_over`), but not the other way round.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

from collections.abc import Sequence

from durable_host.durable.engine.renumbering import CALLS, find_renumbering, is_begun_by_v1
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import HistoryEvent

_LEFT_ALONE = "Its history is unchanged. Finish it with the {sdk} SDK, or terminate it."


def refusal_of(state: OrchestrationState) -> str | None:
    """Return why the code must not continue a loaded history, as sentences, or None if it may.

    For 2.x apps see `refusal_to_take_over`.
    """
    if state.started is None or state.is_terminal:
        return None
    if state.is_numbered:
        return _refusal_of_v1(state)
    if find_renumbering(state.history) is None and (state.started.is_played or not _has_number_of_v2(state.history)):
        return None
    return (
        f"The instance '{state.instance_id}' was run with azure-functions-durable 2.x, and the SDK of this app "
        f"cannot continue it. {_LEFT_ALONE.format(sdk='2.x')}"
    )


def refusal_to_take_over(instance_id: str, reason: str) -> str:
    """Return why 2.x code cannot continue an instance of 1.x code, as sentences. `reason` is a clause."""
    return (
        f"The instance '{instance_id}' was started with azure-functions-durable 1.x, and the 2.x SDK of this app "
        f"cannot continue it: {reason}. {_LEFT_ALONE.format(sdk='1.x')}"
    )


def _refusal_of_v1(state: OrchestrationState) -> str | None:
    if not is_begun_by_v1(state.history) or not any(isinstance(event, CALLS) for event in state.history):
        return None
    return (
        f"The instance '{state.instance_id}' was started with azure-functions-durable 1.x. Only an app of 1.x or 2.x "
        f"can continue it. {_LEFT_ALONE.format(sdk='1.x')}"
    )


def _has_number_of_v2(events: Sequence[HistoryEvent]) -> bool:
    first = next((event for event in events if isinstance(event, CALLS)), None)
    return first is not None and first.event_id > 0
