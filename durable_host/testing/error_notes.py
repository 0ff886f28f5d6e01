"""Shows everything about an error where only its message is shown, as in a traceback."""

from typing import TypeVar

from durable_host.errors import HostError

E = TypeVar("E", bound=HostError)


def with_notes(error: E) -> E:
    """Add code, cause and remedy to the traceback of an error."""
    for name, text in (("code", error.code), ("cause", error.cause), ("remedy", error.remedy)):
        if text:
            error.add_note(f"{name}: {text}")
    return error
