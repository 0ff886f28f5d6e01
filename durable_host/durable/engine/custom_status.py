"""The custom status that the code reports in each turn, and its size limit.

Source: docs/protocol/durable-replay.md#custom-status
"""

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.reports import Reports
from durable_host.durable.engine.state import OrchestrationState

LIMIT_IN_KB = 16


def take(state: OrchestrationState, text: str | None, reports: Reports) -> str | None:
    """Update the status to `text`, JSON or None for null. Return why it is too large, otherwise None.

    A new execution keeps the old status until its next turn.
    """
    keeps, state.keeps_custom_status = state.keeps_custom_status, False
    if text is None and keeps:
        return None
    complaint = _why_too_large(text) if text is not None else None
    if complaint is not None:
        reports.add(codes.CUSTOM_STATUS_TOO_LARGE, "error", complaint)
        return complaint
    value = text or "null"
    if value != state.custom_status:
        state.custom_status = value
        state.work_item.custom_status_changed = True
    return None


def _why_too_large(text: str) -> str | None:
    """Return the reference's error text if the custom status (JSON text) is too large, otherwise None."""
    if len(text) <= LIMIT_IN_KB * 256:
        return None
    size = len(text.encode("utf-16-le", "surrogatepass")) // 1024
    if size <= LIMIT_IN_KB:
        return None
    return (
        f"The UTF-16 size of the JSON-serialized payload must not exceed {LIMIT_IN_KB} KB. The current payload size is "
        f"{size} KB."
    )
