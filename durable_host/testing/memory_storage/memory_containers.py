"""Containers of the blob service in memory, and lists of their blobs."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from durable_host.testing.memory_storage.memory_blob import MemoryBlob, MemoryLease, check_lease
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    header_date,
    meta_headers,
    xml_answer,
    xml_metadata,
    xml_page,
    xml_text,
)

_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*|\$root|\$logs|\$web")


@dataclass(slots=True)
class MemoryContainer:
    """One container. Times in ticks."""

    etag: str = ""
    modified: int = 0
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    policy: bytes = b""
    access: str | None = None
    blobs: dict[str, MemoryBlob] = field(default_factory=dict[str, MemoryBlob])
    lease: MemoryLease = field(default_factory=MemoryLease)


class MemoryContainers:
    """Containers by name; `etag` makes the next ETag."""

    def __init__(self, now: Callable[[], int], etag: Callable[[], str]) -> None:
        self.by_name: dict[str, MemoryContainer] = {}
        self._now = now
        self._etag = etag

    def existing(self, name: str) -> MemoryContainer:
        """Raises RequestRefused."""
        container = self.by_name.get(name)
        if container is None:
            raise RequestRefused(404, "ContainerNotFound")
        return container

    def list(self, request: StorageRequest) -> StorageAnswer:
        """The containers of the account, page by page."""
        if request.query.get("comp") != "list":
            raise RequestRefused(501, "NotImplemented")
        names, following = _page(request, sorted(self.by_name))
        with_metadata = "metadata" in request.query.get("include", "")
        listed = "".join(
            f"<Container><Name>{name}</Name><Properties><Last-Modified>{header_date(self.by_name[name].modified)}"
            f"</Last-Modified><Etag>{xml_text(self.by_name[name].etag)}</Etag></Properties>"
            f"{xml_metadata(self.by_name[name].metadata) if with_metadata else ''}</Container>"
            for name in names
        )
        return xml_answer(
            f"<EnumerationResults>{xml_page(request)}<Containers>{listed}</Containers>"
            f"<NextMarker>{xml_text(following)}</NextMarker></EnumerationResults>"
        )

    def answer(self, request: StorageRequest, name: str) -> StorageAnswer:
        """Raises RequestRefused."""
        comp = request.query.get("comp")
        if request.method == "PUT" and comp is None:
            return self._create(request, name)
        container = self.existing(name)
        if comp == "list":
            return self._blobs(request, container)
        if request.method == "DELETE":
            check_lease(container.lease, request, self._now(), "Container")
            del self.by_name[name]
            return StorageAnswer(202)
        headers = {"ETag": container.etag, "Last-Modified": header_date(container.modified)}
        if request.method == "PUT":
            if comp == "acl":
                container.policy, container.access = request.body, request.header("x-ms-blob-public-access")
            else:
                container.metadata = request.metadata()
            container.etag, container.modified = self._etag(), self._now()
            return StorageAnswer(200, headers | {"ETag": container.etag})
        if container.access is not None:
            headers["x-ms-blob-public-access"] = container.access
        if comp == "acl":
            body = container.policy or b"<SignedIdentifiers/>"
            return StorageAnswer(200, headers | {"Content-Type": "application/xml"}, body)
        return StorageAnswer(200, headers | meta_headers(container.metadata) | container.lease.headers(self._now()))

    def _create(self, request: StorageRequest, name: str) -> StorageAnswer:
        if not _NAME.fullmatch(name):
            raise RequestRefused(400, "InvalidResourceName" if 3 <= len(name) <= 63 else "OutOfRangeInput")
        if name in self.by_name:
            raise RequestRefused(409, "ContainerAlreadyExists")
        container = self.by_name[name] = MemoryContainer(self._etag(), self._now(), request.metadata())
        container.access = request.header("x-ms-blob-public-access")
        return StorageAnswer(201, {"ETag": container.etag, "Last-Modified": header_date(container.modified)})

    def _blobs(self, request: StorageRequest, container: MemoryContainer) -> StorageAnswer:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        shown: dict[str, MemoryBlob | None] = {}
        for name in sorted(name for name, blob in container.blobs.items() if blob.is_there and name.startswith(prefix)):
            head, mark, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if mark:
                shown[prefix + head + mark] = None
            else:
                shown[name] = container.blobs[name]
        names, following = _page(request, list(shown))
        with_metadata = "metadata" in request.query.get("include", "")
        listed = "".join(self._listed(name, shown[name], with_metadata) for name in names)
        return xml_answer(
            f"<EnumerationResults>{xml_page(request)}<Blobs>{listed}</Blobs>"
            f"<NextMarker>{xml_text(following)}</NextMarker></EnumerationResults>"
        )

    def _listed(self, name: str, blob: MemoryBlob | None, with_metadata: bool) -> str:
        if blob is None:
            return f"<BlobPrefix><Name>{xml_text(name)}</Name></BlobPrefix>"
        headers = blob.headers(self._now())
        kept = ("Content-Type", "Content-Encoding", "Content-Language", "Content-MD5", "Cache-Control")
        properties = "".join(f"<{key}>{xml_text(headers[key])}</{key}>" for key in kept if key in headers)
        return (
            f"<Blob><Name>{xml_text(name)}</Name><Properties><Creation-Time>{header_date(blob.created)}</Creation-Time>"
            f"<Last-Modified>{header_date(blob.modified)}</Last-Modified><Etag>{xml_text(blob.etag.strip(chr(34)))}"
            f"</Etag><Content-Length>{len(blob.data)}</Content-Length>{properties}<BlobType>{blob.kind}</BlobType>"
            f"<LeaseStatus>{headers['x-ms-lease-status']}</LeaseStatus>"
            f"<LeaseState>{headers['x-ms-lease-state']}</LeaseState></Properties>"
            f"{xml_metadata(blob.metadata) if with_metadata else ''}</Blob>"
        )


def _page(request: StorageRequest, names: list[str]) -> tuple[list[str], str]:
    """The names of one page, and the first name of the next page (empty at the end)."""
    prefix, marker = request.query.get("prefix", ""), request.query.get("marker", "")
    found = [name for name in names if name.startswith(prefix) and name >= marker]
    size = int(request.query.get("maxresults", 5000))
    return found[:size], found[size] if len(found) > size else ""
