"""Blocks, appended blocks and ranges of blobs in memory."""

import re
from html import unescape

from durable_host.testing.memory_storage.memory_blob import MemoryBlob, md5_of
from durable_host.testing.memory_storage.storage_exchange import (
    RequestRefused,
    StorageAnswer,
    StorageRequest,
    xml_answer,
    xml_text,
)

_LISTED = re.compile(r"<(Committed|Uncommitted|Latest)>([^<]*)</\1>")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def commit_blocks(request: StorageRequest, blob: MemoryBlob | None) -> tuple[bytes, dict[str, bytes]]:
    """The content that a block list describes, and its blocks. Raises RequestRefused for a block that is missing."""
    staged = blob.staged if blob is not None else {}
    committed = blob.blocks if blob is not None else {}
    sources = {"Committed": committed, "Uncommitted": staged, "Latest": {**committed, **staged}}
    blocks: dict[str, bytes] = {}
    for kind, id in _LISTED.findall(request.body.decode()):
        content = sources[kind].get(unescape(id))
        if content is None:
            raise RequestRefused(400, "InvalidBlockList")
        blocks[unescape(id)] = content
    return b"".join(blocks.values()), blocks


def block_list(request: StorageRequest, blob: MemoryBlob) -> StorageAnswer:
    """The blocks of a blob: committed ones, uncommitted ones, or both."""
    kind = request.query.get("blocklisttype", "committed")
    parts = ["<BlockList>"]
    for name, blocks in (("Committed", blob.blocks), ("Uncommitted", blob.staged)):
        if kind in (name.lower(), "all"):
            listed = "".join(
                f"<Block><Name>{xml_text(id)}</Name><Size>{len(content)}</Size></Block>"
                for id, content in blocks.items()
            )
            parts.append(f"<{name}Blocks>{listed}</{name}Blocks>")
    parts.append("</BlockList>")
    return xml_answer("".join(parts), {"ETag": blob.etag, "x-ms-blob-content-length": str(len(blob.data))})


def append_block(request: StorageRequest, blob: MemoryBlob) -> dict[str, str]:
    """Append to an append blob, and return the headers of the response."""
    if blob.kind != "AppendBlob":
        raise RequestRefused(409, "InvalidBlobType")
    offset = len(blob.data)
    wanted, longest = request.header("x-ms-blob-condition-appendpos"), request.header("x-ms-blob-condition-maxsize")
    if wanted is not None and int(wanted) != offset:
        raise RequestRefused(412, "AppendPositionConditionNotMet")
    if longest is not None and offset + len(request.body) > int(longest):
        raise RequestRefused(412, "MaxBlobSizeConditionNotMet")
    blob.data += request.body
    blob.blocks[str(len(blob.blocks))] = request.body
    blob.properties.pop("content-md5", None)
    return {"x-ms-blob-append-offset": str(offset), "x-ms-blob-committed-block-count": str(len(blob.blocks))}


def read_range(request: StorageRequest, blob: MemoryBlob, now: int) -> StorageAnswer:
    """The content of a blob, or a part of it."""
    headers = blob.headers(now)
    text = request.header("x-ms-range") or request.header("range")
    found = _RANGE.fullmatch(text) if text else None
    if found is None:
        return StorageAnswer(200, headers, blob.data)
    length = len(blob.data)
    begin, end = int(found.group(1)), int(found.group(2) or length)
    if begin >= length:
        raise RequestRefused(416, "InvalidRange", {"Content-Range": f"bytes */{length}"})
    part = blob.data[begin : end + 1]
    headers["Content-Length"] = str(len(part))
    headers["Content-Range"] = f"bytes {begin}-{begin + len(part) - 1}/{length}"
    if (whole := headers.pop("Content-MD5", None)) is not None:
        headers["x-ms-blob-content-md5"] = whole
    if (request.header("x-ms-range-get-content-md5") or "").lower() == "true":
        headers["Content-MD5"] = md5_of(part)
    return StorageAnswer(206, headers, part)
