"""Errors of storage services.

`StorageError.code` is the service's error code (`QueueNotFound`, `UpdateConditionNotSatisfied`, ...). Texts name the
service and the resource and never contain keys, tokens or signatures.
"""

import re
from http import HTTPStatus

from durable_host.errors import EXIT_STORAGE, HostError

_PASSING = frozenset((408, 429))
_MISSING_RESOURCE = frozenset({"TableNotFound", "QueueNotFound", "ContainerNotFound"})


class StorageError(Exception):
    """A storage service refused a request, with an HTTP `status`, an error `code` and a `message`.

    `after_retry` is True if an earlier attempt of the same request may have taken effect, so that a conflict may be
    with that attempt. `request` is the method and address of the request, and `setting` the name of the connection, if
    known.
    """

    def __init__(self, status: int, code: str, message: str, *, after_retry: bool = False) -> None:
        super().__init__(f"{message} ({code}, HTTP {status})" if status else f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.after_retry = after_retry
        self.request = ""
        self.setting = ""

    @property
    def reason(self) -> str:
        """The message and the code."""
        return super().__str__()

    @property
    def is_outage(self) -> bool:
        """Whether the same request may succeed later: no answer, 5xx, 408, 429, or a resource that is being deleted.

        Everything else is a refusal that somebody has to fix.
        """
        return self.status >= 500 or self.status in _PASSING or self.code.endswith("BeingDeleted")

    @property
    def is_missing_resource(self) -> bool:
        """Whether the table, queue or container itself does not exist."""
        return self.status == 404 and self.code in _MISSING_RESOURCE


class InvalidRequest(StorageError):
    """The request is not valid: storage does not allow a name, key, size or character.

    It was not sent, or the response was a 400.
    """


class NotFound(StorageError):
    """The resource does not exist (404)."""


class Conflict(StorageError):
    """The resource already exists, is leased by someone else, or is in a state that forbids the operation (409)."""


class PreconditionFailed(StorageError):
    """The ETag or lease condition is not met (412): someone else has changed the resource."""


class AccessDenied(StorageError):
    """The service does not accept the key, signature or token, or these do not allow the operation (401, 403).

    The text says which setting to check.
    """

    def __str__(self) -> str:
        return f"{self.reason}. {where_to_look(self.setting)}" if self.setting else self.reason


UNAVAILABLE = "Unavailable"
"""The code of a StorageUnavailable without a response: nothing listens, the connection broke, or a time-out."""


class StorageUnavailable(StorageError):
    """The service does not answer, or fails repeatedly (connection refused, time-out, 5xx, 408, 429)."""

    @property
    def is_outage(self) -> bool:
        return True


class TransactionFailed(StorageError):
    """A table transaction was refused as a whole, and nothing was written.

    `index` is the failed operation (None if unknown), `status` and `code` belong to that operation.
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
    """The error for an HTTP status."""
    passing = status >= 500 or status in _PASSING
    kind = _BY_STATUS.get(status) or (StorageUnavailable if passing else StorageError)
    return kind(status, code, message, after_retry=after_retry)


_SENTENCES = {
    "AccountIsDisabled": "The specified account is disabled.",
    "AuthenticationFailed": "The service could not authenticate the request: the key, signature or token is wrong.",
    "AuthorizationFailure": "This request is not authorized to perform this operation.",
    "AuthorizationPermissionMismatch": "This request is not authorized: the role or signature lacks a permission.",
    "BlobAlreadyExists": "The specified blob already exists.",
    "BlobArchived": "This operation is not permitted on an archived blob.",
    "BlobNotFound": "The specified blob does not exist.",
    "ConditionNotMet": "The condition of the request's If- headers is not met.",
    "ContainerAlreadyExists": "The specified container already exists.",
    "ContainerBeingDeleted": "The specified container is being deleted.",
    "ContainerNotFound": "The specified container does not exist.",
    "InsufficientAccountPermissions": "The account does not have the permission for this operation.",
    "InvalidHeaderValue": "The value of one of the HTTP headers is not in the correct format.",
    "InvalidInput": "One of the request inputs is not valid.",
    "InvalidQueryParameterValue": "The value of one of the query parameters is not valid.",
    "InvalidResourceName": "The specified resource name contains invalid characters.",
    "InvalidUri": "The requested URI does not represent any resource on the server.",
    "LeaseIdMismatchWithBlobOperation": "The lease ID specified did not match the lease ID for the blob.",
    "LeaseIdMissing": "There is currently a lease on the resource, and the request has no lease ID.",
    "OutOfRangeInput": "One of the request inputs is out of range.",
    "QueueNotFound": "The specified queue does not exist.",
    "ResourceNotFound": "The specified resource does not exist.",
    "ServerBusy": "The server is currently unable to receive requests.",
    "TableNotFound": "The specified table does not exist.",
}
_WORD = re.compile(r"[A-Z][A-Z0-9]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]")


def sentence_for(status: int, code: str) -> str:
    """A sentence for a response without a text: to HEAD requests, and from some proxies."""
    if known := _SENTENCES.get(code):
        return known
    words = " ".join(word if word.isupper() else word.lower() for word in _WORD.findall(code))
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = f"HTTP {status}"
    return f"{words[:1].upper()}{words[1:]} ({phrase})." if words else f"The service gave no reason ({phrase})."


def odata_literal(text: str) -> str:
    """`text` as a quoted string in a table filter, with quotes doubled."""
    return "'" + text.replace("'", "''") + "'"


class StorageFailed(HostError):
    """The app's storage account does not answer, or refuses a request that the host needs."""

    exit_code = EXIT_STORAGE
    code = "DH2001"


def where_to_look(setting: str) -> str:
    """What to do about a refused access; `setting` is the connection's name."""
    return f"Check the key, the signature or the role assignments behind '{setting}'."


def diagnosis(error: StorageError, setting: str) -> str:
    """A refusal in one line: the service's reason, the request, and where to look.

    `setting` is the connection's name.
    """
    asked = f" The request was {error.request}." if error.request else ""
    if isinstance(error, AccessDenied):
        look = where_to_look(setting)
    else:
        look = f"The connection is '{setting}'."
    return f"{error.reason}.{asked} {look}"


def explain(error: StorageError, setting: str) -> StorageFailed:
    """The error for the user if the host cannot continue; `setting` is the connection's name."""
    if isinstance(error, AccessDenied):
        return StorageFailed(
            f"The storage account of '{setting}' refused access.",
            cause=error.reason,
            remedy=where_to_look(setting),
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
