"""The blob service: containers, whole block blobs, leases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from modelled_answer import Answer, Refused, Request, http_date, xml

from durable_host.timestamp import TICKS_PER_SECOND


@dataclass(slots=True)
class Lease:
    """`until` in ticks, None without an end; `seconds` is what a renewal grants."""

    id: str = ""
    until: int | None = 0
    seconds: int = 0

    def holds(self, now: int) -> bool:
        return bool(self.id) and (self.until is None or self.until > now)


@dataclass(slots=True)
class Blob:
    data: bytes
    etag: str
    modified: int
    created: int
    headers: dict[str, str]
    lease: Lease = field(default_factory=Lease)


@dataclass(slots=True)
class Container:
    blobs: dict[str, Blob] = field(default_factory=dict)
    lease: Lease = field(default_factory=Lease)


class ModelledBlobs:
    """Containers by name."""

    def __init__(self, now: Callable[[], int], random: Random) -> None:
        self.containers: dict[str, Container] = {}
        self._now = now
        self._random = random
        self._writes = 0

    def answer(self, request: Request) -> Answer:
        """Raises Refused."""
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

    def _existing(self, name: str) -> Container:
        container = self.containers.get(name)
        if container is None:
            raise Refused(404, "ContainerNotFound")
        return container

    def _containers(self, request: Request) -> Answer:
        prefix = request.query.get("prefix", "")
        names = [name for name in sorted(self.containers) if name.startswith(prefix)]
        listed = "".join(f"<Container><Name>{name}</Name></Container>" for name in names)
        body = f"<EnumerationResults><Containers>{listed}</Containers><NextMarker/></EnumerationResults>"
        return Answer(200, {}, body.encode())

    def _container(self, request: Request, name: str) -> Answer:
        if request.method == "PUT":
            if name in self.containers:
                raise Refused(409, "ContainerAlreadyExists")
            self.containers[name] = Container()
            return Answer(201)
        container = self._existing(name)
        if request.method == "DELETE":
            _check_lease(container.lease, request, self._now())
            del self.containers[name]
            return Answer(202)
        return Answer(200)

    def _blob(self, request: Request, container: Container, name: str, comp: str | None) -> Answer:
        now, old = self._now(), container.blobs.get(name)
        if request.method == "PUT" and comp is None:
            if request.headers.get("If-None-Match") == "*" and old is not None:
                raise Refused(409, "BlobAlreadyExists")
            self._check_match(request, old)
            if old is not None:
                _check_lease(old.lease, request, now)
            kept = {key.lower(): value for key, value in request.headers.items()}
            blob = Blob(
                request.body, self._etag(), now, old.created if old else now, kept, old.lease if old else Lease()
            )
            container.blobs[name] = blob
            return Answer(201, {"ETag": blob.etag, "Last-Modified": http_date(now)})
        if old is None:
            raise Refused(404, "BlobNotFound")
        if request.method == "DELETE":
            self._check_match(request, old)
            _check_lease(old.lease, request, now)
            del container.blobs[name]
            return Answer(202)
        if comp == "metadata":
            _check_lease(old.lease, request, now)
            meta = {key.lower(): text for key, text in request.headers.items() if key.lower().startswith("x-ms-meta-")}
            kept = {key: text for key, text in old.headers.items() if not key.startswith("x-ms-meta-")}
            old.headers, old.etag, old.modified = kept | meta, self._etag(), now
            return Answer(200, {"ETag": old.etag, "Last-Modified": http_date(now)})
        return Answer(200, self._shown(old), old.data if request.method == "GET" else b"")

    def _check_match(self, request: Request, old: Blob | None) -> None:
        wanted = request.headers.get("If-Match")
        if wanted is not None and (old is None or wanted not in ("*", old.etag)):
            raise Refused(412, "ConditionNotMet")

    def _shown(self, blob: Blob) -> dict[str, str]:
        shown = {key: value for key, value in blob.headers.items() if key.startswith("x-ms-meta-")}
        if encoding := blob.headers.get("x-ms-blob-content-encoding"):
            shown["Content-Encoding"] = encoding
        return shown | {
            "ETag": blob.etag,
            "Last-Modified": http_date(blob.modified),
            "x-ms-creation-time": http_date(blob.created),
            "Content-Length": str(len(blob.data)),
            "Content-Type": blob.headers.get("x-ms-blob-content-type", "application/octet-stream"),
            "x-ms-blob-type": "BlockBlob",
            "x-ms-lease-status": "locked" if blob.lease.holds(self._now()) else "unlocked",
        }

    def _list(self, request: Request, container: Container) -> Answer:
        prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
        names = [name for name in sorted(container.blobs) if name.startswith(prefix) and name >= marker]
        size = int(request.query.get("maxresults", 5000))
        parts = ["<?xml version='1.0'?><EnumerationResults><Blobs>"]
        for name in names[:size]:
            blob = container.blobs[name]
            status = "locked" if blob.lease.holds(self._now()) else "unlocked"
            parts.append(
                f"<Blob><Name>{xml(name)}</Name><Properties><Last-Modified>{http_date(blob.modified)}</Last-Modified>"
                f"<Etag>{xml(blob.etag.strip(chr(34)))}</Etag><Content-Length>{len(blob.data)}</Content-Length>"
                f"<BlobType>BlockBlob</BlobType><LeaseStatus>{status}</LeaseStatus></Properties></Blob>"
            )
        following = names[size] if len(names) > size else ""
        parts.append(f"</Blobs><NextMarker>{xml(following)}</NextMarker></EnumerationResults>")
        return Answer(200, {}, "".join(parts).encode())

    def _lease(self, request: Request, container: str, name: str) -> Answer:
        found = self._existing(container)
        lease = found.lease
        if name:
            blob = found.blobs.get(name)
            if blob is None:
                raise Refused(404, "BlobNotFound")
            lease = blob.lease
        now, headers = self._now(), request.headers
        action, id = headers["x-ms-lease-action"], headers.get("x-ms-lease-id", "")
        if action == "acquire":
            proposed = headers.get("x-ms-proposed-lease-id") or f"{self._random.getrandbits(128):032x}"
            if lease.holds(now) and lease.id != proposed:
                raise Refused(409, "LeaseAlreadyPresent")
            lease.id, lease.seconds = proposed, int(headers["x-ms-lease-duration"])
            self._extend(lease)
            return Answer(201, {"x-ms-lease-id": lease.id})
        if action == "break":
            if not lease.holds(now):
                raise Refused(409, "LeaseNotPresentWithLeaseOperation")
            lease.until = 0
            return Answer(202, {"x-ms-lease-time": "0"})
        if lease.id != id:
            raise Refused(409, "LeaseIdMismatchWithLeaseOperation")
        if action == "renew":
            self._extend(lease)
        elif action == "change":
            lease.id = headers["x-ms-proposed-lease-id"]
        else:
            lease.id, lease.until = "", 0
        return Answer(200, {"x-ms-lease-id": lease.id})

    def _extend(self, lease: Lease) -> None:
        lease.until = None if lease.seconds == -1 else self._now() + lease.seconds * TICKS_PER_SECOND

    def _etag(self) -> str:
        self._writes += 1
        return f'"0x{self._writes:015X}"'


def _check_lease(lease: Lease, request: Request, now: int) -> None:
    given = request.headers.get("x-ms-lease-id")
    if lease.holds(now):
        if given is None:
            raise Refused(412, "LeaseIdMissing")
        if given != lease.id:
            raise Refused(412, "LeaseIdMismatchWithBlobOperation")
