"""An error in user code for the log: type, message, likely cause, and the frames, with the user's first."""

import re
from typing import Any, Final

import msgspec

_CALL: Final = r"((?:Activity|Orchestrator) function '[^']*' failed: .*?) \n .+"
_FAILED_CALL: Final = re.compile(_CALL, re.DOTALL)
_FAILED_CALL_ABOVE: Final = re.compile(
    rf"(?<=^Exception: ){_CALL}?(?=\n\n(?:The above exc|During hand))", re.DOTALL | re.MULTILINE
)


_OF_FAILED_CALLS: Final = frozenset({"Exception", "Error"})
"""The types of the errors that SDKs raise for failed calls: in Python, and in JavaScript."""
_NOT_SHOWN: Final = frozenset({"stack", "users", "names_type"})


class CodeFailure(msgspec.Struct, frozen=True, kw_only=True):
    """An exception in user code.

    `stack` is its traceback, `file` and `line` the innermost place in the app, `hint` a sentence about the likely
    cause, and `operation` the operation of an entity. `users`: the traceback has frames of the app. `names_type`: the
    type is part of the text.
    """

    type: str
    message: str
    stack: str = ""
    file: str | None = None
    line: int | None = None
    hint: str | None = None
    operation: str | None = None
    users: bool = True
    names_type: bool = True

    @property
    def text(self) -> str:
        """`Type: message`, or only the message if the Functions host omits the type."""
        return f"{self.type}: {self._own_message}" if self.type and self.names_type else self._own_message

    @property
    def _own_message(self) -> str:
        """The message. For a failed call, without the details, which are in the callee's failure."""
        found = _FAILED_CALL.match(self.message) if self.type in _OF_FAILED_CALLS else None
        return (found[1] if found is not None else self.message).rstrip()

    @property
    def frames(self) -> str:
        """The traceback without its last part, which repeats type and message, and without details of calls."""
        stack = self.stack
        if stack.endswith(self.message):
            stack = stack[: len(stack) - len(self.message)].rpartition("\n")[0]
        return _FAILED_CALL_ABOVE.sub(r"\1", stack)

    @property
    def has_useful_frames(self) -> bool:
        """False if all frames are in libraries and there is a likely cause, which is more useful."""
        return self.users or not self.hint

    def block(self) -> str:
        """The text for the log: the error, the likely cause, and the traceback."""
        lines = [f"Operation '{self.operation}' failed."] if self.operation is not None else []
        lines.append(f"Exception: {self.text}" if self.type else f"Reason: {self.text}")
        if self.hint:
            lines.append(f"Likely cause: {self.hint}")
        if self.has_useful_frames and self.frames:
            lines.append(f"Stack: {self.frames}")
        return "\n".join(lines)

    def brief(self) -> str:
        """The text for a terminal."""
        operation = f"'{self.operation}': " if self.operation is not None else ""
        return "\n".join(
            filter(None, (operation + self.text, self.hint, self.frames if self.has_useful_frames else ""))
        )

    def members(self) -> dict[str, Any]:
        """The members for JSON lines, without unknown ones. The frames are in the message."""
        known = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _NOT_SHOWN}
        known["message"] = self._own_message
        return {name: value for name, value in known.items() if value not in (None, "")}


def read_code_failure(fields: dict[str, Any], *, names_type: bool = True) -> CodeFailure:
    """The failure from the fields that the worker sent (`worker/failures.py`)."""
    return msgspec.convert({"names_type": names_type, **fields}, CodeFailure)
