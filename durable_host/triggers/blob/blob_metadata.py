"""The metadata that a blob-triggered function receives.

Source: docs/protocol/functions-host-blobs.md#blob-trigger-metadata
"""

from typing import Any

from durable_host import timestamp
from durable_host.storage.blobs import BlobProperties
from durable_host.storage.queue_xml import QueueMessage
from durable_host.triggers.queue.message_metadata import message_details, offset_text

_FROM_HEADERS = {
    "ContentLanguage": "Content-Language",
    "ContentDisposition": "Content-Disposition",
    "CacheControl": "Cache-Control",
    "LeaseStatus": "x-ms-lease-status",
    "LeaseState": "x-ms-lease-state",
    "LeaseDuration": "x-ms-lease-duration",
    "AccessTier": "x-ms-access-tier",
}


def blob_metadata(container: str, properties: BlobProperties, uri: str, captures: dict[str, str]) -> dict[str, Any]:
    """BlobTrigger, Uri, Properties, Metadata and the captures of the path."""
    return {
        "BlobTrigger": f"{container}/{properties.name}",
        "Uri": uri,
        "Properties": pascal_properties(properties),
        "Metadata": properties.metadata,
        **captures,
    }


def pascal_properties(properties: BlobProperties) -> dict[str, Any]:
    """The properties with the names of .NET's BlobProperties."""
    headers = {name.lower(): value for name, value in properties.headers.items()}
    return {
        "LastModified": offset_text(properties.last_modified),
        "CreatedOn": offset_text(properties.created),
        "Metadata": properties.metadata,
        "BlobType": properties.blob_type,
        "ContentLength": properties.length,
        "ContentType": properties.content_type,
        "ContentEncoding": properties.content_encoding,
        "ContentHash": properties.content_md5,
        "ETag": properties.etag,
        **{name: headers.get(header.lower()) for name, header in _FROM_HEADERS.items()},
    }


def blob_details(message: QueueMessage, properties: BlobProperties) -> str:
    """The log line about the message and the version of the blob that started the invocation."""
    return (
        f"{message_details(message)}, BlobCreated: {_shown(properties.created)}, "
        f"BlobLastModified: {_shown(properties.last_modified)}"
    )


def _shown(ticks: int) -> str:
    seconds = ticks // timestamp.TICKS_PER_SECOND * timestamp.TICKS_PER_SECOND
    return timestamp.to_text(seconds)[:-1] + ".000+00:00"
