"""The lines about an invocation: Executing, Executed, and what went wrong.

Source: spec/functions-host.md, sections 2.5 and 8.4.
"""

import logging
import time
from collections.abc import Generator
from contextlib import contextmanager

from durable_host.invocation.attempt import Attempt
from durable_host.invocation.errors import FunctionFailed, WorkerLost

CALLED = "This function was programmatically called via the host APIs."


@contextmanager
def logged(attempt: Attempt, reason: str, details: str | None) -> Generator[None]:
    """Log the begin, the end and the failure of what runs inside."""
    function, invocation_id = attempt.function.name, attempt.invocation_id
    log = logging.getLogger(f"Function.{function}")
    extra = {"function": function, "invocation_id": invocation_id}
    if attempt.instance_id is not None:
        extra["instance_id"] = attempt.instance_id
    if log.isEnabledFor(logging.INFO):
        why = "" if reason == CALLED else f": {reason}"
        log.info(
            "Executing 'Functions.%s' (Reason='%s', Id=%s)",
            function,
            reason,
            invocation_id,
            extra={**extra, "brief": f"started{why}"},
        )
        if details:
            log.info("Trigger Details: %s", details, extra={**extra, "brief": ""})
    started = time.perf_counter()
    try:
        yield
    except (FunctionFailed, WorkerLost) as error:
        duration = round((time.perf_counter() - started) * 1000)
        log.error(
            "Executed 'Functions.%s' (Failed, Id=%s, Duration=%dms)",
            function,
            invocation_id,
            duration,
            extra={**extra, "brief": ""},
        )
        brief = f"failed in {duration} ms: {failure_text(error)}"
        log.error("%s", failure_block(function, error), extra={**extra, "brief": brief})
        raise
    duration = round((time.perf_counter() - started) * 1000)
    if log.isEnabledFor(logging.INFO):
        log.info(
            "Executed 'Functions.%s' (Succeeded, Id=%s, Duration=%dms)",
            function,
            invocation_id,
            duration,
            extra={**extra, "brief": f"done in {duration} ms"},
        )


def failure_text(error: FunctionFailed | WorkerLost) -> str:
    """For people: the error, and below it where it happened. The error is not told twice."""
    if isinstance(error, WorkerLost):
        return "\n".join(filter(None, (error.message, error.cause)))
    frames = error.stack.removesuffix(str(error)).rstrip()
    return f"{error}\n{frames}" if frames else str(error)


def failure_block(function: str, error: FunctionFailed | WorkerLost) -> str:
    """What failed, `Exception: <Type>: <text>` and the user's frames. The console hides credentials in it."""
    lines = [f"Exception while executing function: Functions.{function}."]
    if isinstance(error, WorkerLost):
        lines.append(f"Exception: WorkerLost: {error.message}")
        if error.cause:
            lines.append(error.cause)
    else:
        lines.append(f"Exception: {error}")
        if error.stack:
            lines.append(f"Stack: {error.stack}")
    return "\n".join(lines)
