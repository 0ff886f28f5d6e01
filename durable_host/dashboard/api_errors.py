"""The errors of the dashboard's API: a status, and a body with code, message and remedy."""

import msgspec

from durable_host.durable.api.errors import (
    ClientError,
    InstanceEnded,
    InstanceNotFound,
    InvalidArgument,
    InvalidInstanceId,
    InvalidToken,
    NotFailed,
    NotTerminal,
)
from durable_host.durable.taskhub.port import InstanceExists, TaskHubUnavailable, UnreadableHistory
from durable_host.errors import HostError
from durable_host.redaction import redacted
from durable_host.storage import StorageError

INVALID = "DH3053"
UNKNOWN_ROUTE = "DH3054"
NOT_HERE = "DH3055"


class DashboardError(HostError):
    """A request that the dashboard refuses, with the `status` of the response, and the methods that it would take."""

    code = "DH3053"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = INVALID,
        remedy: str | None = None,
        allowed: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        self.status = status
        self.allowed = allowed


class ErrorReport(msgspec.Struct, frozen=True, omit_defaults=False):
    """What happened, and how to fix it."""

    code: str
    message: str
    remedy: str | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The body of every response with a status of 400 or more."""

    error: ErrorReport


def details_of(error: HostError) -> ErrorReport:
    """The body of an error, without secrets."""
    return ErrorReport(error.code, redacted(error.message), redacted(error.remedy) if error.remedy else None)


def as_dashboard_error(error: Exception) -> DashboardError | None:
    """The response to an error of the task hub, a client operation or storage; None for an unexpected error."""
    match error:
        case DashboardError():
            return error
        case InstanceNotFound():
            return instance_not_found(error.instance_id)
        case InstanceEnded():
            return DashboardError(410, str(error), code="DH6303", remedy="Restart the instance, or start another one.")
        case NotFailed() | NotTerminal() | InstanceExists():
            return DashboardError(409, str(error), code="DH6303")
        case InvalidInstanceId():
            return DashboardError(400, error.rule, code=INVALID)
        case InvalidToken():
            return DashboardError(
                400, "The cursor is not from this dashboard.", code=INVALID, remedy="Begin with the first page."
            )
        case InvalidArgument():
            return DashboardError(400, str(error), code=INVALID)
        case ClientError():
            return DashboardError(409, str(error), code="DH6303")
        case UnreadableHistory():
            return DashboardError(409, str(error), code="DH6203")
        case TaskHubUnavailable():
            remedy = "Check that the storage of the task hub is there, and try again."
            return DashboardError(503, error.public_text or str(error), code="DH6304", remedy=remedy)
        case StorageError():
            status = 404 if error.is_missing_resource else 503
            return DashboardError(status, str(error), code="DH6304", remedy="Check the storage account, and try again.")
        case HostError():
            wrapped = DashboardError(409, error.message, code=error.code, remedy=error.remedy)
            wrapped.cause = error.cause
            return wrapped
        case _:
            return None


def instance_not_found(instance_id: str) -> DashboardError:
    """The 404 for an instance."""
    return DashboardError(
        404,
        f"The task hub has no instance with the ID '{instance_id}'.",
        code="DH6302",
        remedy="Check the ID: it may have been purged.",
    )
