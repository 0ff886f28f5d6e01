"""Converts an error of an operation to a gRPC status code and text.

Clients of .NET apps retry calls that end with UNAVAILABLE or RESOURCE_EXHAUSTED, so these codes are not used for a call
that may have had an effect.

Source: docs/protocol/durable-grpc.md#status-codes
"""

import logging

from durable_host.durable.api.errors import (
    ClientError,
    InstanceEnded,
    InstanceNotFound,
    InvalidArgument,
    InvalidInstanceId,
    NotFailed,
    NotTerminal,
    UnknownHub,
)
from durable_host.durable.taskhub.port import InstanceExists, TaskHubRefused, TaskHubUnavailable
from durable_host.grpc_port import StatusCode

_log = logging.getLogger("Host.Triggers.DurableTask")

LONGEST_TEXT = 2000
"""In characters. The text is sent as a header."""

Status = tuple[StatusCode, str]


class CallRefused(Exception):
    """The service rejects a call. The text says why."""

    def __init__(self, code: StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def status_of(method: str, error: Exception, *, is_repeatable: bool) -> Status:
    """Return the status of an error, and log unexpected errors.

    `is_repeatable` is true if the call only reads, so that a client may simply repeat it.
    """
    code, text = _status(method, error, is_repeatable)
    return code, text[:LONGEST_TEXT]


def _status(method: str, error: Exception, is_repeatable: bool) -> Status:
    match error:
        case CallRefused():
            return error.code, str(error)
        case InvalidInstanceId():
            return StatusCode.INVALID_ARGUMENT, error.rule
        case InvalidArgument():
            return StatusCode.INVALID_ARGUMENT, str(error)
        case InstanceNotFound() | UnknownHub():
            return StatusCode.NOT_FOUND, str(error)
        case InstanceEnded() | NotFailed() | NotTerminal():
            return StatusCode.FAILED_PRECONDITION, str(error)
        case InstanceExists():
            return StatusCode.ALREADY_EXISTS, f"{error} (instance '{error.instance_id}')"
        case ClientError():
            return StatusCode.INTERNAL, str(error)
        case TaskHubUnavailable():
            is_passing = is_repeatable and not isinstance(error, TaskHubRefused)
            if error.public_text is not None or not is_passing:
                _log.warning("%s", error)
            return StatusCode.UNAVAILABLE if is_passing else StatusCode.INTERNAL, error.public_text or str(error)
        case _:
            _log.error("The gRPC call %s failed: %s", method, error, exc_info=error)
            return StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
