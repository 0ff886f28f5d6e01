"""Calls of functions that the app does not have or that the host does not serve.

Source: docs/protocol/durable-failures.md#unknown-functions
"""

from collections.abc import Iterable, Mapping, Sequence

_KINDS = {
    "activity": ("an activity function", "activity functions"),
    "orchestrator": ("an orchestrator function", "orchestrator functions"),
    "entity": ("an entity function", "entity functions"),
}


class FunctionNames(tuple[str, ...]):
    """The names of the functions of one kind that can be called, and why other functions of the app cannot."""

    unserved: Mapping[str, str]

    def __new__(cls, names: Iterable[str], unserved: Mapping[str, str] | None = None) -> "FunctionNames":
        """Create the names. `unserved` maps names (not case-sensitive) to reasons."""
        self = super().__new__(cls, names)
        self.unserved = {name.casefold(): reason for name, reason in (unserved or {}).items()}
        return self


def reason_not_served(name: str, known: Sequence[str]) -> str | None:
    """Return a sentence that says why a function of the app cannot be called, or None if the app does not have it."""
    reason = known.unserved.get(name.casefold()) if isinstance(known, FunctionNames) else None
    return None if reason is None else f"The app has '{name}', but this host does not serve it: {reason.rstrip('.')}."


def missing_function_text(kind: str, name: str, known: Sequence[str]) -> str:
    """Return the reference's error text. `kind` is `activity`, `orchestrator` or `entity`."""
    one, many = _KINDS[kind]
    text = f"The function '{name}' doesn't exist, is disabled, or is not {one}. Additional info: "
    if (reason := reason_not_served(name, known)) is not None:
        return text + reason
    if not known:
        return f"{text}No {many} are currently registered!"
    listed = ", ".join(f"'{each}'" for each in known)
    return f"{text}The following are the known {many}: {listed}."
