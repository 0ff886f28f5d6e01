"""The log lines about an invocation: Executing, Executed, and errors.

Source: docs/protocol/functions-host-cli.md#invocation-lines, docs/protocol/functions-host-worker.md#exceptions
"""

import logging
import time
from functools import cache
from typing import Any

from durable_host.invocation.attempt import Attempt
from durable_host.invocation.code_failure import CodeFailure
from durable_host.invocation.errors import ClientGone, FunctionCancelled, FunctionFailed, WorkerLost
from durable_host.invocation.requests import InvocationResponse

CALLED = "This function was programmatically called via the host APIs."


class InvocationLog:
    """Logs the start, the end and the failure of one attempt. The caller sets `response` if there is one."""

    __slots__ = ("_attempt", "_details", "_function", "_log", "_reason", "_started", "response")

    def __init__(self, attempt: Attempt, reason: str, details: str | None) -> None:
        self.response: InvocationResponse | None = None
        self._attempt = attempt
        self._reason = reason
        self._details = details
        self._function = attempt.function.name
        self._log = _logger(self._function)
        self._started = time.perf_counter()

    def __enter__(self) -> "InvocationLog":
        if self._log.isEnabledFor(logging.INFO):
            self._begin()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            self._end()
        elif isinstance(error, FunctionCancelled | ClientGone):
            self._cancel(error.message if isinstance(error, FunctionCancelled) else str(error))
        elif isinstance(error, FunctionFailed | WorkerLost):
            self._fail(error)

    def _begin(self) -> None:
        why = "" if self._reason == CALLED else f": {self._reason}"
        described = f"Reason='{self._reason}', Id={self._attempt.invocation_id}{self._instance}"
        self._info(f"Executing 'Functions.{self._function}' ({described})", brief=f"started{why}", status="Running")
        if self._details:
            self._info(f"Trigger Details: {self._details}", brief="")

    def _end(self) -> None:
        response = self.response
        if response is not None and response.failed_operations:
            self._operations_failed(response.failed_operations, response.failed_count)
        elif self._log.isEnabledFor(logging.INFO):
            duration = self._duration()
            self._info(
                self._executed("Succeeded", duration),
                brief=f"done in {duration} ms{self._place}",
                status="Succeeded",
                duration_ms=duration,
            )

    def _fail(self, error: FunctionFailed | WorkerLost) -> None:
        duration = self._duration()
        ending = {"status": "Failed", "duration_ms": duration}
        self._error(self._executed("Failed", duration), brief="", **ending)
        brief = f"failed in {duration} ms{self._place}: {failure_text(error)}"
        self._error(failure_block(self._function, error), brief=brief, exception=_error_members(error), **ending)

    def _cancel(self, why: str) -> None:
        duration = self._duration()
        self._info(
            f"{self._executed('Canceled', duration)}: {why}",
            brief=f"canceled after {duration} ms: {why}",
            status="Canceled",
            duration_ms=duration,
        )

    def _operations_failed(self, failures: tuple[CodeFailure, ...], count: int) -> None:
        """Log one event for all failed operations of the batch."""
        duration = self._duration()
        rest = [f"{count - len(failures)} more operations failed."] if count > len(failures) else []
        self._error(
            "\n".join([self._executed("Failed", duration), *(failure.block() for failure in failures), *rest]),
            brief="\n".join(
                [f"failed in {duration} ms{self._place}: {failures[0].brief()}"]
                + [failure.brief() for failure in failures[1:]]
                + rest
            ),
            status="Failed",
            duration_ms=duration,
            exception=failures[0].members(),
        )

    def _executed(self, status: str, duration: int) -> str:
        described = f"{status}, Id={self._attempt.invocation_id}{self._instance}, Duration={duration}ms"
        return f"Executed 'Functions.{self._function}' ({described})"

    @property
    def _instance(self) -> str:
        return f", InstanceId={self._attempt.instance_id}" if self._is_entity else ""

    @property
    def _place(self) -> str:
        return f" ({self._attempt.instance_id})" if self._is_entity else ""

    @property
    def _is_entity(self) -> bool:
        return self._attempt.function.trigger.type.lower() == "entitytrigger"

    @property
    def seconds(self) -> float:
        """Since the start of the attempt."""
        return time.perf_counter() - self._started

    def _duration(self) -> int:
        return round(self.seconds * 1000)

    def _info(self, text: str, **extra: Any) -> None:
        self._log.info("%s", text, extra=self._members(extra))

    def _error(self, text: str, **extra: Any) -> None:
        self._log.error("%s", text, extra=self._members(extra))

    def _members(self, members: dict[str, Any]) -> dict[str, Any]:
        members["function"] = self._function
        members["invocation_id"] = self._attempt.invocation_id
        if (instance_id := self._attempt.instance_id) is not None:
            members["instance_id"] = instance_id
        return members


@cache
def _logger(function: str) -> logging.Logger:
    return logging.getLogger(f"Function.{function}")


def failure_text(error: FunctionFailed | WorkerLost) -> str:
    """The text for people: the error, followed by the frames, without repeating the error."""
    if isinstance(error, WorkerLost):
        return "\n".join(filter(None, (error.message, error.cause)))
    return error.failure.brief()


def failure_block(function: str, error: FunctionFailed | WorkerLost) -> str:
    """The function, `Exception: <Type>: <text>` and the user's frames. The console hides credentials."""
    lines = [f"Exception while executing function: Functions.{function}."]
    if isinstance(error, WorkerLost):
        lines.append(f"Exception: WorkerLost: {error.message}")
        if error.cause:
            lines.append(error.cause)
    else:
        lines.append(f"Exception: {error}")
        if error.failure.hint:
            lines.append(f"Likely cause: {error.failure.hint}")
        if error.stack and error.failure.has_useful_frames:
            lines.append(f"Stack: {error.stack}")
    return "\n".join(lines)


def _error_members(error: FunctionFailed | WorkerLost) -> dict[str, Any]:
    if isinstance(error, WorkerLost):
        return CodeFailure(type="WorkerLost", message=error.message).members()
    return error.failure.members()
