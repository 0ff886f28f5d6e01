"""The internal message about one version of a blob for one function.

Source: docs/protocol/functions-host-blobs.md#internal-queue
"""

import json
from typing import Any, cast

import msgspec

POISON_QUEUE = "webjobs-blobtrigger-poison"


class BlobTriggerMessage(msgspec.Struct, frozen=True):
    """The message. `function_id` is `Host.Functions.<fn>`; `etag` includes its quotes."""

    function_id: str
    container: str
    name: str
    etag: str
    blob_type: str = "BlockBlob"


class InvalidBlobMessage(ValueError):
    """The text is not a message of a blob trigger."""


def internal_queue(host_id: str) -> str:
    """The name of the queue for a host's blob triggers."""
    return f"azure-webjobs-blobtrigger-{host_id}"


def to_text(message: BlobTriggerMessage) -> str:
    content = {
        "Type": "BlobTrigger",
        "FunctionId": message.function_id,
        "BlobType": message.blob_type,
        "ContainerName": message.container,
        "BlobName": message.name,
        "ETag": message.etag,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def from_text(text: str | bytes) -> BlobTriggerMessage:
    """Raises InvalidBlobMessage."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidBlobMessage(str(error)) from None
    if not isinstance(content, dict):
        raise InvalidBlobMessage("it is not a JSON object")
    members = {str(name).lower(): value for name, value in cast("dict[Any, Any]", content).items()}
    wanted = [members.get(name) for name in ("functionid", "containername", "blobname")]
    if not all(isinstance(value, str) and value for value in wanted):
        raise InvalidBlobMessage("it does not name a function, a container and a blob")
    function_id, container, name = (str(value) for value in wanted)
    return BlobTriggerMessage(
        function_id,
        container,
        name,
        str(members.get("etag") or ""),
        str(members.get("blobtype") or "BlockBlob"),
    )
