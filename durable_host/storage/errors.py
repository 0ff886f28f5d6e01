"""What a storage service answers when it does not do what was asked.

`StorageError.code` is the service's own error code (`QueueNotFound`, `UpdateConditionNotSatisfied`, ...). Texts name
service and resource and never hold keys, tokens or signatures.
"""

from durable_host.errors import EXIT_STORAGE, HostError


class StorageError(Exception):
    """A storage service refused a request: HTTP `status`, the service's `code`, its `message`.

    `after_retry` is True when an earlier attempt of the same request may already have taken effect, so that a
    conflict can be one with ourselves.
    """

    def __init__(self, status: int, code: str, message: str, *, after_retry: bool = False) -> None:
        super().__init__(f"{message} ({code}, HTTP {status})" if status else f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.after_retry = after_retry


class InvalidRequest(StorageError):
    """The request cannot be made: a name, key, size or character that storage does not allow. It was not sent, or
    was answered with 400.
    """


class NotFound(StorageError):
    """The resource does not exist (404)."""


class Conflict(StorageError):
    """The resource exists already, is leased by another, or is in a state that forbids this (409)."""


class PreconditionFailed(StorageError):
    """The ETag or lease condition does not hold (412): somebody else changed the resource."""


class AccessDenied(StorageError):
    """The service does not accept the key, signature or token, or it does not allow this (401, 403)."""


class StorageUnavailable(StorageError):
    """The service does not answer, or fails again and again (connection refused, time-out, 5xx)."""


class TransactionFailed(StorageError):
    """A table transaction was refused as a whole; nothing of it was written. `index` is the operation at fault
    (None when the service does not say) and `status` and `code` are those of that operation.
    """

    def __init__(self, index: int | None, status: int, code: str, message: str, *, after_retry: bool = False) -> None:
        super().__init__(status, code, message, after_retry=after_retry)
        self.index = index


_BY_STATUS: dict[int, type[StorageError]] = {
    400: InvalidRequest,
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
}


def storage_error(status: int, code: str, message: str, *, after_retry: bool = False) -> StorageError:
    """The error class that belongs to an HTTP status."""
    kind = _BY_STATUS.get(status) or (StorageUnavailable if status >= 500 else StorageError)
    return kind(status, code, message, after_retry=after_retry)


def odata_literal(text: str) -> str:
    """`text` as a quoted string of a table filter: quotes doubled."""
    return "'" + text.replace("'", "''") + "'"


class StorageFailed(HostError):
    """The storage account of the app does not answer, or refuses, when the host needs it."""

    exit_code = EXIT_STORAGE
    code = "DH2001"


def explain(error: StorageError, setting: str) -> StorageFailed:
    """The error as the user should see it when the host cannot go on; `setting` is the connection's name."""
    if isinstance(error, AccessDenied):
        return StorageFailed(
            f"The storage account of '{setting}' refused access.",
            cause=str(error),
            remedy=f"Check the key, the signature or the role assignments behind '{setting}'.",
            code="DH2002",
        )
    if isinstance(error, StorageUnavailable):
        return StorageFailed(
            f"The storage account of '{setting}' does not answer.",
            cause=str(error),
            remedy=f"Check the endpoints in '{setting}' and the network; for local work set it to "
            "'UseDevelopmentStorage=true'.",
        )
    return StorageFailed(f"The storage account of '{setting}' refused a request.", cause=str(error), code="DH2003")
