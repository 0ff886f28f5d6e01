"""What is stored of a blob in memory, and the conditions under which it may be read or written."""

import base64
import hashlib
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from durable_host import timestamp
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageRequest,
    header_date,
    meta_headers,
)

_SHOWN = {
    "content-type": "Content-Type",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-disposition": "Content-Disposition",
    "content-md5": "Content-MD5",
    "cache-control": "Cache-Control",
}
_DEFAULT_TYPE = "application/octet-stream"


@dataclass(slots=True)
class MemoryLease:
    """A lease on a blob or a container. `until` in ticks, None without an end; `seconds` is what a renewal grants."""

    id: str = ""
    until: int | None = 0
    seconds: int = 0

    def holds(self, now: int) -> bool:
        return bool(self.id) and (self.until is None or self.until > now)

    def headers(self, now: int) -> dict[str, str]:
        """The state of the lease as headers of a response."""
        if not self.holds(now):
            state = "expired" if self.id and self.until else "available"
            return {"x-ms-lease-status": "unlocked", "x-ms-lease-state": state}
        duration = "infinite" if self.until is None else "fixed"
        return {"x-ms-lease-status": "locked", "x-ms-lease-state": "leased", "x-ms-lease-duration": duration}


@dataclass(slots=True)
class MemoryBlob:
    """A blob. `properties` are its HTTP headers in lower case; `blocks` are the IDs and sizes of its block list.

    `staged` are the blocks that are not committed yet. A blob that only has such blocks does not exist (`is_there`).
    """

    data: bytes
    etag: str
    modified: int
    created: int
    properties: dict[str, str] = field(default_factory=dict[str, str])
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    kind: str = "BlockBlob"
    lease: MemoryLease = field(default_factory=MemoryLease)
    blocks: dict[str, bytes] = field(default_factory=dict[str, bytes])
    staged: dict[str, bytes] = field(default_factory=dict[str, bytes])
    tags: bytes = b"<Tags><TagSet/></Tags>"
    is_there: bool = True

    def headers(self, now: int) -> dict[str, str]:
        """The properties as headers of a response."""
        shown = {_SHOWN[name]: value for name, value in self.properties.items() if name in _SHOWN}
        shown.setdefault("Content-Type", _DEFAULT_TYPE)
        if self.kind == "AppendBlob":
            shown["x-ms-blob-committed-block-count"] = str(len(self.blocks))
        return {
            **shown,
            **meta_headers(self.metadata),
            **self.lease.headers(now),
            "ETag": self.etag,
            "Last-Modified": header_date(self.modified),
            "x-ms-creation-time": header_date(self.created),
            "Content-Length": str(len(self.data)),
            "Accept-Ranges": "bytes",
            "x-ms-blob-type": self.kind,
            "x-ms-server-encrypted": "true",
        }


def properties_of(request: StorageRequest) -> dict[str, str]:
    """The properties that a request gives a blob, such as `content-type`."""
    found: dict[str, str] = {}
    for name in _SHOWN:
        value = request.header(f"x-ms-blob-{name}")
        if value is not None:
            found[name] = value
    if "content-type" not in found and (given := request.header("content-type")) is not None:
        found["content-type"] = given
    return found


def md5_of(data: bytes) -> str:
    """The value of Content-MD5."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def check_conditions(request: StorageRequest, blob: MemoryBlob | None) -> None:
    """Raise RequestRefused unless the conditional headers of a request allow it."""
    reads = request.method in ("GET", "HEAD")
    wanted, unwanted = request.header("if-match"), request.header("if-none-match")
    if wanted is not None and (blob is None or wanted not in ("*", blob.etag)):
        raise RequestRefused(412, "ConditionNotMet")
    if blob is None:
        return
    if unwanted == "*" and not reads:
        raise RequestRefused(409, "BlobAlreadyExists")
    if unwanted is not None and unwanted in ("*", blob.etag):
        raise RequestRefused(304 if reads else 412, "ConditionNotMet")
    modified = blob.modified // timestamp.TICKS_PER_SECOND
    since, before = request.header("if-modified-since"), request.header("if-unmodified-since")
    if since is not None and modified <= _seconds(since):
        raise RequestRefused(304 if reads else 412, "ConditionNotMet")
    if before is not None and modified > _seconds(before):
        raise RequestRefused(412, "ConditionNotMet")


def check_lease(lease: MemoryLease, request: StorageRequest, now: int, kind: str) -> None:
    """Raise RequestRefused unless a request may change what is leased; `kind` is Blob or Container."""
    given = request.header("x-ms-lease-id")
    if lease.holds(now):
        if given is None:
            raise RequestRefused(412, "LeaseIdMissing")
        if given.lower() != lease.id.lower():
            raise RequestRefused(412, f"LeaseIdMismatchWith{kind}Operation")
    elif given is not None:
        raise RequestRefused(412, f"LeaseNotPresentWith{kind}Operation" if not lease.id else "LeaseLost")


def _seconds(date: str) -> int:
    try:
        return timestamp.from_datetime(parsedate_to_datetime(date)) // timestamp.TICKS_PER_SECOND
    except ValueError:
        raise RequestRefused(400, "InvalidHeaderValue") from None
