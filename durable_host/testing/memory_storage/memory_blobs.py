"""The blob service: containers, whole block blobs, leases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    header_date,
    xml_text,
)
from durable_host.timestamp import TICKS_PER_SECOND


@dataclass(slots=True)
class MemoryLease:
    """`until` in ticks, None without an end; `seconds` is what a renewal grants."""

    id: str = ""
    until: int | None = 0
    seconds: int = 0

    def holds(self, now: int) -> bool:
        return bool(self.id) and (self.until is None or self.until > now)


@dataclass(slots=True)
class MemoryBlob:
    data: bytes
    etag: str
    modified: int
    created: int
    headers: dict[str, str]
    lease: MemoryLease = field(default_factory=MemoryLease)


@dataclass(slots=True)
class MemoryContainer:
    blobs: dict[str, MemoryBlob] = field(default_factory=dict[str, MemoryBlob])
    lease: MemoryLease = field(default_factory=MemoryLease)


class MemoryBlobs:
    """Containers by name."""

    def __init__(
        self, now: Callable[[], int], random: Random, written: Callable[[str, str], None] = lambda container, name: None
    ) -> None:
        self.containers: dict[str, MemoryContainer] = {}
        self._now = now
        self._random = random
        self._writes = 0

    def answer(self, request: StorageRequest) -> StorageAnswer:
        """Raises RequestRefused."""
        container, _, name = request.path.lstrip("/").partition("/")
        comp = request.query.get("comp")
        if comp == "lease":
            return self._lease(request, container, name)
        if not container:
            return self._containers(request)
        if name:
            return self._blob(request, self._existing(container), name, comp)
        if comp == "list":
            return self._list(request, self._existing(container))
        return self._container(request, container)

    def _existing(self, name: str) -> MemoryContainer:
        container = self.containers.get(name)
        if container is None:
            raise RequestRefused(404, "ContainerNotFound")
        return container

    def _containers(self, request: StorageRequest) -> StorageAnswer:
        prefix = request.query.get("prefix", "")
        names = [name for name in sorted(self.containers) if name.startswith(prefix)]
        listed = "".join(f"<Container><Name>{name}</Name></Container>" for name in names)
        body = f"<EnumerationResults><Containers>{listed}</Containers><NextMarker/></EnumerationResults>"
        return StorageAnswer(200, {}, body.encode())

    def _container(self, request: StorageRequest, name: str) -> StorageAnswer:
        if request.method == "PUT":
            if name in self.containers:
                raise RequestRefused(409, "ContainerAlreadyExists")
            self.containers[name] = MemoryContainer()
            return StorageAnswer(201)
        container = self._existing(name)
        if request.method == "DELETE":
            _check_lease(container.lease, request, self._now())
            del self.containers[name]
            return StorageAnswer(202)
        return StorageAnswer(200)

    def _blob(self, request: StorageRequest, container: MemoryContainer, name: str, comp: str | None) -> StorageAnswer:
        now, old = self._now(), container.blobs.get(name)
        if request.method == "PUT" and comp is None:
            if request.headers.get("If-None-Match") == "*" and old is not None:
                raise RequestRefused(409, "BlobAlreadyExists")
            self._check_match(request, old)
            if old is not None:
                _check_lease(old.lease, request, now)
            kept = {key.lower(): value for key, value in request.headers.items()}
            blob = MemoryBlob(
                request.body, self._etag(), now, old.created if old else now, kept, old.lease if old else MemoryLease()
            )
            container.blobs[name] = blob
            return StorageAnswer(201, {"ETag": blob.etag, "Last-Modified": header_date(now)})
        if old is None:
            raise RequestRefused(404, "BlobNotFound")
        if request.method == "DELETE":
            self._check_match(request, old)
            _check_lease(old.lease, request, now)
            del container.blobs[name]
            return StorageAnswer(202)
        if comp == "metadata":
            _check_lease(old.lease, request, now)
            meta = {key.lower(): text for key, text in request.headers.items() if key.lower().startswith("x-ms-meta-")}
            kept = {key: text for key, text in old.headers.items() if not key.startswith("x-ms-meta-")}
            old.headers, old.etag, old.modified = kept | meta, self._etag(), now
            return StorageAnswer(200, {"ETag": old.etag, "Last-Modified": header_date(now)})
        return StorageAnswer(200, self._shown(old), old.data if request.method == "GET" else b"")

    def _check_match(self, request: StorageRequest, old: MemoryBlob | None) -> None:
        wanted = request.headers.get("If-Match")
        if wanted is not None and (old is None or wanted not in ("*", old.etag)):
            raise RequestRefused(412, "ConditionNotMet")

    def _shown(self, blob: MemoryBlob) -> dict[str, str]:
        shown = {key: value for key, value in blob.headers.items() if key.startswith("x-ms-meta-")}
        if encoding := blob.headers.get("x-ms-blob-content-encoding"):
            shown["Content-Encoding"] = encoding
        return shown | {
            "ETag": blob.etag,
            "Last-Modified": header_date(blob.modified),
            "x-ms-creation-time": header_date(blob.created),
            "Content-Length": str(len(blob.data)),
            "Content-Type": blob.headers.get("x-ms-blob-content-type", "application/octet-stream"),
            "x-ms-blob-type": "BlockBlob",
            "x-ms-lease-status": "locked" if blob.lease.holds(self._now()) else "unlocked",
        }

    def _list(self, request: StorageRequest, container: MemoryContainer) -> StorageAnswer:
        prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
        names = [name for name in sorted(container.blobs) if name.startswith(prefix) and name >= marker]
        size = int(request.query.get("maxresults", 5000))
        parts = ["<?xml version='1.0'?><EnumerationResults><Blobs>"]
        for name in names[:size]:
            blob = container.blobs[name]
            status = "locked" if blob.lease.holds(self._now()) else "unlocked"
            parts.append(
                f"<Blob><Name>{xml_text(name)}</Name><Properties><Last-Modified>{header_date(blob.modified)}</Last-Modified>"
                f"<Etag>{xml_text(blob.etag.strip(chr(34)))}</Etag><Content-Length>{len(blob.data)}</Content-Length>"
                f"<BlobType>BlockBlob</BlobType><LeaseStatus>{status}</LeaseStatus></Properties></Blob>"
            )
        following = names[size] if len(names) > size else ""
        parts.append(f"</Blobs><NextMarker>{xml_text(following)}</NextMarker></EnumerationResults>")
        return StorageAnswer(200, {}, "".join(parts).encode())

    def _lease(self, request: StorageRequest, container: str, name: str) -> StorageAnswer:
        found = self._existing(container)
        lease = found.lease
        if name:
            blob = found.blobs.get(name)
            if blob is None:
                raise RequestRefused(404, "BlobNotFound")
            lease = blob.lease
        now, headers = self._now(), request.headers
        action, id = headers["x-ms-lease-action"], headers.get("x-ms-lease-id", "")
        if action == "acquire":
            proposed = headers.get("x-ms-proposed-lease-id") or f"{self._random.getrandbits(128):032x}"
            if lease.holds(now) and lease.id != proposed:
                raise RequestRefused(409, "LeaseAlreadyPresent")
            lease.id, lease.seconds = proposed, int(headers["x-ms-lease-duration"])
            self._extend(lease)
            return StorageAnswer(201, {"x-ms-lease-id": lease.id})
        if action == "break":
            if not lease.holds(now):
                raise RequestRefused(409, "LeaseNotPresentWithLeaseOperation")
            lease.until = 0
            return StorageAnswer(202, {"x-ms-lease-time": "0"})
        if lease.id != id:
            raise RequestRefused(409, "LeaseIdMismatchWithLeaseOperation")
        if action == "renew":
            self._extend(lease)
        elif action == "change":
            lease.id = headers["x-ms-proposed-lease-id"]
        else:
            lease.id, lease.until = "", 0
        return StorageAnswer(200, {"x-ms-lease-id": lease.id})

    def _extend(self, lease: MemoryLease) -> None:
        lease.until = None if lease.seconds == -1 else self._now() + lease.seconds * TICKS_PER_SECOND

    def _etag(self) -> str:
        self._writes += 1
        return f'"0x{self._writes:015X}"'


def _check_lease(lease: MemoryLease, request: StorageRequest, now: int) -> None:
    given = request.headers.get("x-ms-lease-id")
    if lease.holds(now):
        if given is None:
            raise RequestRefused(412, "LeaseIdMissing")
        if given != lease.id:
            raise RequestRefused(412, "LeaseIdMismatchWithBlobOperation")
