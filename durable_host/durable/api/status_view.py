"""The status of an instance as responses show it. Source: docs/protocol/durable-http-api.md#status-of-an-instance"""

from collections.abc import Iterable
from typing import Any

from durable_host import timestamp
from durable_host.durable.api.embedded_json import embedded
from durable_host.durable.api.history_view import project
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstanceState


def instance_status(
    state: InstanceState,
    *,
    show_input: bool = True,
    history: Iterable[HistoryEvent] | None = None,
    show_history_output: bool = False,
) -> dict[str, Any]:
    """Return the JSON object, in the reference's field order.

    `version` and `parentInstanceId` are included only if they are set, `historyEvents` only if `history` is given.
    """
    answer = {
        "name": state.name,
        **({"version": state.version} if state.version else {}),
        "instanceId": state.instance_id,
        **({"parentInstanceId": state.parent_instance_id} if state.parent_instance_id else {}),
        "runtimeStatus": state.runtime_status.name,
        "input": embedded(state.input) if show_input else None,
        "customStatus": embedded(state.custom_status),
        "output": embedded(state.output),
        "createdTime": _seconds(state.created_time),
        "lastUpdatedTime": _seconds(state.last_updated_time),
    }
    if history is not None:
        answer["historyEvents"] = project(history, show_input=show_input, show_output=show_history_output)
    return answer


def _seconds(ticks: int) -> str:
    return timestamp.to_text(ticks - ticks % timestamp.TICKS_PER_SECOND)
