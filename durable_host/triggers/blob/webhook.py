"""Receives Event Grid events about new blobs: `POST /runtime/webhooks/blobs?functionName=Host.Functions.<fn>`.

Source: docs/protocol/functions-host-blobs.md#event-grid-source
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import web

from durable_host.http_port import read_body
from durable_host.redaction import redacted
from durable_host.storage.errors import StorageError
from durable_host.triggers.blob.message import BlobTriggerMessage
from durable_host.triggers.blob.target import EVENT_GRID, BlobTarget
from durable_host.triggers.event_grid.posted_events import data_of, events_of, kind_of, validation_code

_log = logging.getLogger("Host.Triggers.Blob")

WEBHOOK_PATH = "/runtime/webhooks/blobs"
_CREATED = "Microsoft.Storage.BlobCreated"


class BlobWebhook:
    """Puts a message for each event whose blob matches the pattern of the named function."""

    def __init__(
        self, targets: Mapping[str, BlobTarget], enqueue: Callable[[BlobTriggerMessage], Awaitable[None]]
    ) -> None:
        self._targets = {name.lower(): target for name, target in targets.items()}
        self._enqueue = enqueue

    async def handle(self, request: web.Request) -> web.Response:
        """Respond with 202, or 200 to a validation event; 400, 404 and 503 with a message."""
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": request.headers.get("WebHook-Request-Origin", "*")})
        if request.method != "POST":
            return web.Response(status=405)
        name = request.query.get("functionName", "")
        target = self._targets.get(name.lower())
        if target is None:
            return _refused(404, f"There is no blob-triggered function '{name}'.")
        if target.source != EVENT_GRID:
            return _refused(400, f"The function '{target.function.name}' does not have the source EventGrid.")
        try:
            events = events_of(await read_body(request))
        except ValueError as error:
            return _refused(400, f"The events in the body cannot be accepted: {error}.")
        if (code := validation_code(events)) is not None:
            return web.json_response({"validationResponse": code})
        try:
            for event in events:
                if (message := message_of(event, target)) is not None:
                    await self._enqueue(message)
        except StorageError as error:
            _log.warning("Blob events cannot be processed now: %s", error)
            return _refused(503, error.reason)
        return web.Response(status=202)


def message_of(event: Mapping[str, Any], target: BlobTarget) -> BlobTriggerMessage | None:
    """The internal message for an event; None unless it is about a new blob that matches the target's pattern."""
    data = data_of(event)
    url = data.get("url")
    if kind_of(event) != _CREATED or not isinstance(url, str):
        return None
    try:
        path = unquote(urlsplit(url).path).lstrip("/")
    except ValueError:  # not a URL
        return None
    if target.account.connection.is_development:
        path = path.removeprefix(f"{target.account.connection.account_name}/")
    container, _, name = path.partition("/")
    if not name or target.pattern.match(container, name) is None:
        return None
    etag = str(data.get("eTag") or "")
    quoted = etag if etag.startswith('"') or not etag else f'"{etag}"'
    return BlobTriggerMessage(target.id, container, name, quoted, str(data.get("blobType") or "BlockBlob"))


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"Message": redacted(text)}, status=status)
