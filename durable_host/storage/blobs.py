"""The blob service: whole block blobs, properties, listings, containers."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import msgspec
from multidict import CIMultiDictProxy

from durable_host.storage.errors import Conflict, InvalidRequest
from durable_host.storage.leases import BlobLeases, blob_path
from durable_host.storage.queue_xml import http_ticks
from durable_host.storage.resource_names import names_of
from durable_host.storage.transport import HttpChannel

_META = "x-ms-meta-"
_CONTAINER = (("restype", "container"),)


class BlobProperties(msgspec.Struct, frozen=True):
    """The properties of a blob. Times in ticks."""

    name: str
    etag: str
    last_modified: int
    length: int
    content_type: str | None
    content_encoding: str | None
    content_md5: str | None
    blob_type: str
    created: int
    metadata: dict[str, str]
    headers: dict[str, str]


class Blob(msgspec.Struct, frozen=True):
    """A blob with its content."""

    data: bytes
    properties: BlobProperties

    @property
    def etag(self) -> str:
        """The ETag of the content."""
        return self.properties.etag


class BlobService(BlobLeases):
    """Containers and block blobs of one account. A blob is written and read as a whole.

    Errors are those of `storage.errors`.
    """

    def __init__(self, channel: HttpChannel) -> None:
        self._channel = channel

    def url(self, container: str, name: str | None = None) -> str:
        """The address of a blob or container, without a signature."""
        return self._channel.endpoint + blob_path(container, name)

    async def create_container(self, container: str) -> bool:
        """Create a container; False if it already exists. Conflict `ContainerBeingDeleted`: retry later."""
        try:
            await self._channel.send("PUT", blob_path(container, None), _CONTAINER)
        except Conflict as error:
            if error.code != "ContainerAlreadyExists":
                raise
            return False
        return True

    async def delete_container(self, container: str, *, lease_id: str | None = None) -> bool:
        """Delete a container with its blobs; False if it does not exist."""
        headers = {"x-ms-lease-id": lease_id} if lease_id else None
        reply = await self._channel.send("DELETE", blob_path(container, None), _CONTAINER, headers, expect=(404,))
        return reply.status != 404

    async def container_exists(self, container: str) -> bool:
        """Whether the container exists."""
        reply = await self._channel.send("HEAD", blob_path(container, None), _CONTAINER, expect=(404,))
        return reply.status != 404

    async def list_containers(self, prefix: str = "") -> "list[str]":
        """Names of all containers that begin with `prefix`, in order."""
        return await names_of(self._channel, "Container", prefix)

    async def put(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        content_encoding: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_none_match: str | None = None,
        if_match: str | None = None,
        lease_id: str | None = None,
    ) -> str:
        """Write a block blob and return its etag. `if_none_match="*"`: Conflict `BlobAlreadyExists` if it exists."""
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-blob-content-type": content_type}
        if content_encoding:
            headers["x-ms-blob-content-encoding"] = content_encoding
        if if_none_match:
            headers["If-None-Match"] = if_none_match
        if if_match:
            headers["If-Match"] = if_match
        if lease_id:
            headers["x-ms-lease-id"] = lease_id
        _add_metadata(headers, metadata)
        reply = await self._channel.send("PUT", blob_path(container, name), (), headers, data)
        return reply.headers["ETag"]

    async def get(self, container: str, name: str) -> Blob | None:
        """A blob with its content, or None if it does not exist."""
        reply = await self._channel.send("GET", blob_path(container, name), expect=(404,))
        return None if reply.status == 404 else Blob(reply.body, _from_headers(name, reply.headers))

    async def head(self, container: str, name: str) -> BlobProperties | None:
        """The properties of a blob, or None if it does not exist."""
        reply = await self._channel.send("HEAD", blob_path(container, name), expect=(404,))
        return None if reply.status == 404 else _from_headers(name, reply.headers)

    async def delete(
        self, container: str, name: str, *, lease_id: str | None = None, if_match: str | None = None
    ) -> bool:
        """Delete a blob with its snapshots; False if it does not exist."""
        headers = {"x-ms-delete-snapshots": "include"}
        if lease_id:
            headers["x-ms-lease-id"] = lease_id
        if if_match:
            headers["If-Match"] = if_match
        reply = await self._channel.send("DELETE", blob_path(container, name), (), headers, expect=(404,))
        return reply.status != 404

    async def set_metadata(
        self, container: str, name: str, metadata: Mapping[str, str], *, lease_id: str | None = None
    ) -> str:
        """Replace all metadata of a blob and return its new etag."""
        headers = {"x-ms-lease-id": lease_id} if lease_id else {}
        _add_metadata(headers, metadata)
        reply = await self._channel.send("PUT", blob_path(container, name), (("comp", "metadata"),), headers)
        return reply.headers["ETag"]

    async def list(
        self, container: str, prefix: str = "", *, metadata: bool = False, page_size: int | None = None
    ) -> AsyncIterator[BlobProperties]:
        """All blobs whose name begins with `prefix`, ordered by name, page by page."""
        marker = ""
        while True:
            query = [("comp", "list")]
            if metadata:
                query.append(("include", "metadata"))
            if marker:
                query.append(("marker", marker))
            if page_size is not None:
                query.append(("maxresults", str(page_size)))
            if prefix:
                query.append(("prefix", prefix))
            query.append(("restype", "container"))
            reply = await self._channel.send("GET", blob_path(container, None), query)
            root = ElementTree.fromstring(reply.body)
            for element in root.iter("Blob"):
                yield _from_listing(element)
            marker = root.findtext("NextMarker") or ""
            if not marker:
                return


def _add_metadata(headers: dict[str, str], metadata: Mapping[str, str] | None) -> None:
    for key, value in (metadata or {}).items():
        if not key.isidentifier() or not (key + value).isascii() or not value.isprintable():
            raise InvalidRequest(
                400, "InvalidMetadata", f"Blob metadata '{key}' has a name or value that is not allowed"
            )
        headers[_META + key] = value.strip()


def _from_headers(name: str, headers: CIMultiDictProxy[str]) -> BlobProperties:
    created = headers.get("x-ms-creation-time")
    return BlobProperties(
        name=name,
        etag=headers.get("ETag", ""),
        last_modified=http_ticks(headers["Last-Modified"]),
        length=int(headers.get("Content-Length", "0")),
        content_type=headers.get("Content-Type"),
        content_encoding=headers.get("Content-Encoding"),
        content_md5=headers.get("Content-MD5"),
        blob_type=headers.get("x-ms-blob-type", "BlockBlob"),
        created=http_ticks(created) if created else 0,
        metadata={key[len(_META) :]: value for key, value in headers.items() if key.lower().startswith(_META)},
        headers=dict(headers),
    )


def _from_listing(blob: Any) -> BlobProperties:
    name = blob.find("Name")
    text: str = name.text or ""
    if name.get("Encoded") == "true":
        text = unquote(text)
    values: dict[str, str] = {item.tag: item.text or "" for item in blob.find("Properties")}
    stored = blob.find("Metadata")
    created = values.get("Creation-Time")
    etag = values.get("Etag", "")
    return BlobProperties(
        name=text,
        etag=etag if etag.startswith('"') else f'"{etag}"',
        last_modified=http_ticks(values["Last-Modified"]),
        length=int(values.get("Content-Length") or 0),
        content_type=values.get("Content-Type") or None,
        content_encoding=values.get("Content-Encoding") or None,
        content_md5=values.get("Content-MD5") or None,
        blob_type=values.get("BlobType", "BlockBlob"),
        created=http_ticks(created) if created else 0,
        metadata={} if stored is None else {item.tag: item.text or "" for item in stored},
        headers=values,
    )
