"""Runs a function for an event of Event Grid."""

import json
from datetime import UTC, datetime

from durable_host.config import binding_data
from durable_host.invocation.datum import json_text
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.event_grid.posted_events import Event


async def invoke_event(invoker: Invoker, function: FunctionMetadata, event: Event) -> Outcome:
    """One invocation. Raises FunctionFailed, WorkerLost, HostError."""
    text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    reason = f"EventGrid trigger fired at {datetime.now(UTC).isoformat()}"
    return await invoke_text(invoker, function, text, reason=reason)


async def invoke_text(
    invoker: Invoker, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str | None = None
) -> Outcome:
    """Like `invoke_event`, for an event as JSON text. The event's `data` is available to binding expressions."""
    data = {name: value for name, value in binding_data.from_json_text(text).items() if name == "data"}
    return await invoker.invoke(
        function,
        trigger_value=json_text(text),
        trigger_metadata=data,
        binding_data={function.trigger.name: text, "EventGridTrigger": text, **data},
        reason=reason,
        invocation_id=invocation_id,
    )
