"""The blob service in memory: containers, block blobs and append blobs, leases, conditions."""

from collections.abc import Callable
from random import Random
from urllib.parse import unquote, urlsplit

from durable_host.testing.memory_storage.blob_blocks import append_block, block_list, commit_blocks, read_range
from durable_host.testing.memory_storage.memory_blob import (
    MemoryBlob,
    check_conditions,
    check_lease,
    md5_of,
    properties_of,
)
from durable_host.testing.memory_storage.memory_containers import MemoryContainer, MemoryContainers
from durable_host.testing.memory_storage.memory_leases import answer_lease
from durable_host.testing.memory_storage.service_properties import ServiceProperties
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    header_date,
)

_WRITES_OF_BLOB = frozenset({None, "metadata", "properties", "blocklist", "appendblock"})


class MemoryBlobs:
    """Containers by name. `written` is called with a container and a blob whenever the blob has a new ETag."""

    def __init__(
        self, now: Callable[[], int], random: Random, written: Callable[[str, str], None] = lambda container, name: None
    ) -> None:
        self._now = now
        self._random = random
        self._written = written
        self._writes = 0
        self._containers = MemoryContainers(now, self._etag)
        self._properties = ServiceProperties("blob")

    @property
    def containers(self) -> dict[str, MemoryContainer]:
        """What is stored."""
        return self._containers.by_name

    def answer(self, request: StorageRequest) -> StorageAnswer:
        """Raises RequestRefused."""
        name, _, blob = request.path.lstrip("/").partition("/")
        if not name:
            return self._properties.answer(request) or self._containers.list(request)
        if not blob:
            if request.query.get("comp") == "lease":
                return answer_lease(request, self._containers.existing(name).lease, self._now(), self._random)
            return self._containers.answer(request, name)
        return self._blob(request, name, self._containers.existing(name), blob)

    def _blob(self, request: StorageRequest, place: str, container: MemoryContainer, name: str) -> StorageAnswer:
        comp, method = request.query.get("comp"), request.method
        found = container.blobs.get(name)
        old = found if found is not None and found.is_there else None
        if method == "PUT" and comp == "block":
            return self._stage(request, container, name, found)
        if comp == "lease":
            return answer_lease(request, _existing(old).lease, self._now(), self._random)
        if method == "PUT" and comp in _WRITES_OF_BLOB:
            check_conditions(request, old)
            if old is not None:
                check_lease(old.lease, request, self._now(), "Blob")
            answer = self._write(request, container, name, found, old)
            self._written(place, name)
            return answer
        old = _existing(old)
        check_conditions(request, old)
        if method == "DELETE":
            check_lease(old.lease, request, self._now(), "Blob")
            del container.blobs[name]
            return StorageAnswer(202)
        if comp == "blocklist":
            return block_list(request, old)
        if comp == "tags":
            return self._tags(request, old)
        if comp not in (None, "metadata"):
            raise RequestRefused(501, "NotImplemented")
        if method == "HEAD" or comp == "metadata":
            return StorageAnswer(200, old.headers(self._now()))
        return read_range(request, old, self._now())

    def _write(
        self,
        request: StorageRequest,
        container: MemoryContainer,
        name: str,
        found: MemoryBlob | None,
        old: MemoryBlob | None,
    ) -> StorageAnswer:
        comp, now = request.query.get("comp"), self._now()
        if comp is None and request.header("x-ms-copy-source") is not None:
            return self._copy(request, container, name, old)
        if comp is None:
            blob = self._renewed(old, request.body)
            blob.kind = request.header("x-ms-blob-type") or "BlockBlob"
            if blob.kind == "PageBlob":
                raise RequestRefused(501, "NotImplemented")
            blob.properties, blob.metadata = properties_of(request), request.metadata()
            blob.properties.setdefault("content-md5", md5_of(request.body))
            container.blobs[name] = blob
            return self._answer(blob, 201, md5=True)
        if comp == "blocklist":
            blob = self._renewed(old, b"")
            blob.data, blob.blocks = commit_blocks(request, found)
            blob.properties, blob.metadata = properties_of(request), request.metadata()
            blob.properties.pop("content-type", None)
            if (given := request.header("x-ms-blob-content-type")) is not None:
                blob.properties["content-type"] = given
            container.blobs[name] = blob
            return self._answer(blob, 201)
        old = _existing(old)
        if comp == "appendblock":
            headers = append_block(request, old)
            old.etag, old.modified = self._etag(), now
            return self._answer(old, 201, headers)
        if comp == "metadata":
            old.metadata = request.metadata()
        else:
            given = properties_of(request)
            if request.header("x-ms-blob-content-type") is None:
                given.pop("content-type", None)
            old.properties = given
        old.etag, old.modified = self._etag(), now
        return self._answer(old, 200)

    def _stage(
        self, request: StorageRequest, container: MemoryContainer, name: str, found: MemoryBlob | None
    ) -> StorageAnswer:
        """Keep a block until a block list names it."""
        if found is None:
            now = self._now()
            found = container.blobs[name] = MemoryBlob(b"", self._etag(), now, now, is_there=False)
        elif found.is_there:
            check_lease(found.lease, request, self._now(), "Blob")
        found.staged[request.query.get("blockid", "")] = request.body
        return StorageAnswer(201, {"Content-MD5": md5_of(request.body)})

    def _copy(
        self, request: StorageRequest, container: MemoryContainer, name: str, old: MemoryBlob | None
    ) -> StorageAnswer:
        """Copy a blob of this account."""
        path = unquote(urlsplit(request.header("x-ms-copy-source") or "").path)
        _account, _, place = path.strip("/").partition("/")
        source, _, copied = place.partition("/")
        container_of_source = self.containers.get(source)
        original = container_of_source.blobs.get(copied) if container_of_source is not None else None
        if original is None:
            raise RequestRefused(404, "CannotVerifyCopySource")
        blob = self._renewed(old, original.data)
        blob.kind, blob.blocks, blob.properties = original.kind, dict(original.blocks), dict(original.properties)
        blob.metadata = request.metadata() or dict(original.metadata)
        container.blobs[name] = blob
        return self._answer(blob, 202, {"x-ms-copy-id": f"copy-{self._writes}", "x-ms-copy-status": "success"})

    def _tags(self, request: StorageRequest, blob: MemoryBlob) -> StorageAnswer:
        if request.method == "PUT":
            blob.tags = request.body
            return StorageAnswer(204)
        return StorageAnswer(200, {"Content-Type": "application/xml"}, blob.tags)

    def _renewed(self, old: MemoryBlob | None, data: bytes) -> MemoryBlob:
        """A blob in the place of another one, whose lease and creation it keeps."""
        now = self._now()
        blob = MemoryBlob(data, self._etag(), now, old.created if old is not None else now)
        if old is not None:
            blob.lease = old.lease
        return blob

    def _answer(
        self, blob: MemoryBlob, status: int, headers: dict[str, str] | None = None, *, md5: bool = False
    ) -> StorageAnswer:
        shown = {
            "ETag": blob.etag,
            "Last-Modified": header_date(blob.modified),
            "x-ms-request-server-encrypted": "true",
        }
        if md5:
            shown["Content-MD5"] = blob.properties["content-md5"]
        return StorageAnswer(status, shown | (headers or {}))

    def _etag(self) -> str:
        self._writes += 1
        return f'"0x{self._writes:015X}"'


def _existing(blob: MemoryBlob | None) -> MemoryBlob:
    if blob is None:
        raise RequestRefused(404, "BlobNotFound")
    return blob
