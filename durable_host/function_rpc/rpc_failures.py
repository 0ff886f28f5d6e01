"""The errors that a worker reports.

Source: docs/protocol/function-rpc.md#failures
"""

import re
from contextlib import suppress
from typing import Any, Final

import msgspec

from durable_host.invocation.code_failure import CodeFailure
from durable_host.invocation.errors import FunctionFailed

_PLACE: Final = re.compile(r" in (?P<file>.+):line (?P<line>\d+)$")
_PLUMBING: Final = (".g.cs:line ", ".DirectFunctionExecutor.", "at Microsoft.Azure.Functions.Worker.")
"""Parts of frames below the user's function: the generated code that calls it, and the worker."""


_OF_ACTIVITIES: Final = ".DurableSerializationException"
"""How the type of the exception ends whose message is the whole failure of an activity, as JSON."""


class _Activity(msgspec.Struct, rename="camel"):
    error_type: str
    error_message: str
    stack_trace: str = ""


_decoder: Final = msgspec.json.Decoder(_Activity)


def function_failed(exception: Any) -> FunctionFailed:
    """The error for an RpcException, with the frames above the code that called the function."""
    kind, text, stack = exception.type or "Exception", exception.message, exception.stack_trace
    encoded = None
    if kind.endswith(_OF_ACTIVITIES):
        with suppress(msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
            inner = _decoder.decode(text.partition("\n")[0])
            encoded = text
            kind, text, stack = inner.error_type, inner.error_message, inner.stack_trace or stack
    failure = code_failure(kind, text, stack)
    return FunctionFailed(kind, text, failure.stack, failure, encoded=encoded)


def code_failure(type: str, message: str, stack: str) -> CodeFailure:
    """The failure for the log."""
    stack = users_frames(stack)
    places = [place for line in stack.splitlines() if (place := _PLACE.search(line)) is not None]
    return CodeFailure(
        type=type,
        message=message,
        stack=stack,
        file=places[0]["file"] if places else None,
        line=int(places[0]["line"]) if places else None,
        users=bool(places),
    )


def users_frames(stack: str) -> str:
    """The frames from the error down to the function. All of them if the function is not among them."""
    lines = stack.rstrip().splitlines()
    for number, line in enumerate(lines):
        if number and any(part in line for part in _PLUMBING):
            return "\n".join(lines[:number])
    return "\n".join(lines)


def described(result: Any) -> str:
    """The text of a failed StatusResult."""
    exception = result.exception
    text = f"{exception.type}: {exception.message}" if exception.type else exception.message
    return text or result.result or "The worker gave no reason."
