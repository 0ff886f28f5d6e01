"""Texts and contents in the arguments of tests."""

from typing import Any

__tracebackhide__ = True


def as_bytes(content: Any, what: str, instead: str) -> bytes:
    """The content, text as UTF-8. Raises TypeError for other values, which says what to use for them `instead`."""
    if isinstance(content, str):
        return content.encode()
    if not isinstance(content, bytes | bytearray):
        raise TypeError(
            f"The content of {what} is text or bytes, not {type(content).__name__}. Use {instead} for a value."
        )
    return bytes(content)


def check_text(name: str, value: Any) -> None:
    """Raise TypeError if the value of the argument `name` is not text, such as a UUID."""
    if not isinstance(value, str):
        raise TypeError(f"{name} needs a text, not {value!r}.")
