"""What the sender of an event about a new blob hears if storage refuses access.

Source: docs/protocol/functions-host-blobs.md#event-grid-source
"""

import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from durable_host.config.connection import Connection
from durable_host.config.path_pattern import parse_path
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.storage import AccessDenied, StorageAccount
from durable_host.triggers.blob.message import BlobTriggerMessage
from durable_host.triggers.blob.target import EVENT_GRID, BlobTarget
from durable_host.triggers.blob.webhook import WEBHOOK_PATH, BlobWebhook


async def _refuse(message: BlobTriggerMessage) -> None:
    error = AccessDenied(403, "AuthenticationFailed", "The key is wrong.")
    error.setting = "MyConnection"
    raise error


async def test_the_log_names_the_setting_and_the_answer_does_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    trigger = Binding("b", "blobTrigger", "in", {"path": "box/{name}"})
    function = FunctionMetadata(name="tell", bindings=(trigger,))
    event = {"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": "https://a.example.org/box/b"}}
    async with StorageAccount(Connection("a", blob_endpoint="https://a.example.org")) as account:
        target = BlobTarget(function, account, parse_path("box/{name}"), EVENT_GRID)
        app = web.Application()
        app.router.add_post(WEBHOOK_PATH, BlobWebhook({"tell": target}, _refuse).handle)
        async with TestClient(TestServer(app)) as client:
            answer = await client.post(WEBHOOK_PATH, params={"functionName": "tell"}, json=[event])
            told = await answer.json()
    assert answer.status == 503
    assert told == {"Message": "The key is wrong. (AuthenticationFailed, HTTP 403)"}
    assert "behind 'MyConnection'" in caplog.text
