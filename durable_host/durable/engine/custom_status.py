"""Limit of the custom status. Source: docs/protocol/durable-replay.md#custom-status"""

LIMIT_IN_KB = 16


def why_too_large(text: str) -> str | None:
    """The reference's complaint about a custom status (JSON text) beyond the limit, or None."""
    if len(text) <= LIMIT_IN_KB * 256:
        return None
    size = len(text.encode("utf-16-le", "surrogatepass")) // 1024
    if size <= LIMIT_IN_KB:
        return None
    return (
        f"The UTF-16 size of the JSON-serialized payload must not exceed {LIMIT_IN_KB} KB. The current payload size is "
        f"{size} KB."
    )
