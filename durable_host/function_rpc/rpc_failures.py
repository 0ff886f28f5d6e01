"""The errors that a worker reports.

Source: docs/protocol/function-rpc.md#failures
"""

import re
from typing import Any, Final

from durable_host.invocation.code_failure import CodeFailure
from durable_host.invocation.errors import FunctionFailed

_PLACE: Final = re.compile(r" in (?P<file>.+):line (?P<line>\d+)$")
_PLUMBING: Final = (".g.cs:line ", ".DirectFunctionExecutor.", "at Microsoft.Azure.Functions.Worker.")
"""Parts of frames below the user's function: the generated code that calls it, and the worker."""


def function_failed(exception: Any) -> FunctionFailed:
    """The error for an RpcException, with the frames above the code that called the function."""
    kind = exception.type or "Exception"
    stack = users_frames(exception.stack_trace)
    places = [place for line in stack.splitlines() if (place := _PLACE.search(line)) is not None]
    failure = CodeFailure(
        type=kind,
        message=exception.message,
        stack=stack,
        file=places[0]["file"] if places else None,
        line=int(places[0]["line"]) if places else None,
        users=bool(places),
    )
    return FunctionFailed(kind, exception.message, stack, failure)


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
