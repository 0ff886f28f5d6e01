"""The size limit of the custom status. Source: docs/protocol/durable-replay.md#custom-status"""

LIMIT_IN_KB = 16


def why_too_large(text: str) -> str | None:
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
