"""Calls of functions that the app does not have. Source: spec/durable-protocol.md, section 10."""

from collections.abc import Sequence

_KINDS = {
    "activity": ("an activity function", "activity functions"),
    "orchestrator": ("an orchestrator function", "orchestrator functions"),
    "entity": ("an entity function", "entity functions"),
}


def missing_function_text(kind: str, name: str, known: Sequence[str]) -> str:
    """The reference's text; `kind` is `activity`, `orchestrator` or `entity`."""
    one, many = _KINDS[kind]
    text = f"The function '{name}' doesn't exist, is disabled, or is not {one}. Additional info: "
    if not known:
        return f"{text}No {many} are currently registered!"
    listed = ", ".join(f"'{each}'" for each in known)
    return f"{text}The following are the known {many}: {listed}."
