"""Converts an error of an operation to a gRPC status code and text.

Clients of .NET apps retry calls that end with UNAVAILABLE or RESOURCE_EXHAUSTED, so these codes are not used for a call
that may have had an effect.

Source: docs/protocol/durable-grpc.md#status-codes
"""

import logging

import grpc

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

_log = logging.getLogger("Host.Triggers.DurableTask")

LONGEST_TEXT = 2000
"""In characters. The text is sent as a header."""

Status = tuple[grpc.StatusCode, str]


class CallRefused(Exception):
    """The service rejects a call. The text says why."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
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
            return grpc.StatusCode.INVALID_ARGUMENT, error.rule
        case InvalidArgument():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error)
        case InstanceNotFound() | UnknownHub():
            return grpc.StatusCode.NOT_FOUND, str(error)
        case InstanceEnded() | NotFailed() | NotTerminal():
            return grpc.StatusCode.FAILED_PRECONDITION, str(error)
        case InstanceExists():
            return grpc.StatusCode.ALREADY_EXISTS, f"{error} (instance '{error.instance_id}')"
        case ClientError():
            return grpc.StatusCode.INTERNAL, str(error)
        case TaskHubUnavailable():
            is_passing = is_repeatable and not isinstance(error, TaskHubRefused)
            if error.public_text is not None or not is_passing:
                _log.warning("%s", error)
            return grpc.StatusCode.UNAVAILABLE if is_passing else grpc.StatusCode.INTERNAL, error.public_text or str(
                error
            )
        case _:
            _log.error("The gRPC call %s failed: %s", method, error, exc_info=error)
            return grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
