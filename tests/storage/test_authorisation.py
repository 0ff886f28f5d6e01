"""The three ways to authorize a request, and that secrets stay secret."""

import datetime
import logging
from typing import Any

import msgspec
import pytest
from aiohttp import web
from azure.storage.blob import generate_account_sas

from durable_host.config.connection import Connection
from durable_host.storage import AccessDenied, Operation, StorageAccount, StorageError
from durable_host.storage.auth import create_credential
from durable_host.storage.errors import diagnosis, explain


async def test_a_shared_access_signature_serves_every_service(azurite: Connection) -> None:
    assert azurite.account_key
    sas = generate_account_sas(
        azurite.account_name,
        azurite.account_key,
        resource_types="sco",
        permission="rwdlacup",
        expiry=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1),
        services="bqt",
    )
    connection = msgspec.structs.replace(azurite, account_key=None, sas=sas)
    async with StorageAccount(connection) as account:
        await account.queues.create("by-signature")
        put = await account.queues.put("by-signature", "x")
        await account.queues.delete("by-signature", put.id, put.pop_receipt)
        await account.tables.create_table("BySignature")
        await account.tables.transaction("BySignature", [Operation("insert", {"PartitionKey": "p", "RowKey": "r"})])
        assert await account.tables.get("BySignature", "p", "r") is not None
        assert len((await account.tables.query("BySignature")).entities) == 1
        await account.blobs.create_container("by-signature")
        await account.blobs.put("by-signature", "b", b"1")
        assert [blob.name async for blob in account.blobs.list("by-signature")] == ["b"]


async def test_a_wrong_key_is_access_denied_and_not_shown(azurite: Connection) -> None:
    connection = msgspec.structs.replace(azurite, account_key="c2VjcmV0IGtleQ==", setting="Other")
    async with StorageAccount(connection) as account:
        for attempt in (
            account.queues.list(),
            account.tables.query("Any"),
            account.blobs.create_container("denied"),
            account.blobs.head("denied", "b"),
        ):
            with pytest.raises(AccessDenied) as caught:
                await attempt
            assert "c2VjcmV0" not in str(caught.value) + repr(caught.value) + repr(connection)
            assert str(caught.value).endswith(
                "HTTP 403). Check the key, the signature or the role assignments behind 'Other'."
            )
        failure = explain(caught.value, "Other")
        assert failure.code == "DH2002"
        assert "behind" not in (failure.cause or ""), "the remedy says it"
        assert str(caught.value).partition(" Check")[2] in diagnosis(caught.value, "Other")
        assert diagnosis(caught.value, "Other").count("behind") == 1


async def test_a_key_that_is_not_base64_is_refused_at_once(azurite: Connection) -> None:
    async with StorageAccount(msgspec.structs.replace(azurite, account_key="not base64!", setting="Other")) as account:
        for service in ("queues", "tables", "blobs"):
            with pytest.raises(AccessDenied, match=r"base64 .* behind 'Other'\."):
                getattr(account, service)


async def test_a_bad_signature_is_not_shown(azurite: Connection, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    connection = msgspec.structs.replace(azurite, account_key=None, sas="sv=2021-08-06&sig=topsecret")
    async with StorageAccount(connection) as account:
        with pytest.raises(StorageError) as caught:
            await account.queues.list()
    assert "topsecret" not in str(caught.value) + caplog.text


class FakeCredential:
    """Counts the tokens it hands out."""

    def __init__(self, lifetime: float) -> None:
        self.asked = 0
        self.scopes: list[str] = []
        self._lifetime = lifetime

    async def get_token(self, *scopes: str) -> Any:
        self.asked += 1
        self.scopes += scopes
        expires = datetime.datetime.now(datetime.UTC).timestamp() + self._lifetime

        class AccessToken:
            token = f"token-{self.asked}"
            expires_on = expires

        return AccessToken


@pytest.mark.parametrize(("lifetime", "tokens"), [(3600, 1), (60, 2)])
async def test_a_token_is_sent_and_kept_until_it_expires(lifetime: float, tokens: int) -> None:
    seen: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return web.Response(status=201)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    credential = FakeCredential(lifetime)
    connection = Connection("account", queue_endpoint=f"http://{host}:{port}")
    try:
        async with StorageAccount(connection, credential=credential) as account:
            assert await account.queues.create("one")
            assert await account.queues.create("two")
    finally:
        await runner.cleanup()
    assert credential.asked == tokens
    assert set(credential.scopes) == {"https://storage.azure.com/.default"}
    assert seen[0]["Authorization"] == "Bearer token-1"
    assert seen[1]["Authorization"] == f"Bearer token-{tokens}"
    assert seen[0]["x-ms-version"] == "2021-08-06"


async def test_a_credential_that_gives_no_token_is_access_denied() -> None:
    class Broken:
        async def get_token(self, *scopes: str) -> Any:
            raise RuntimeError("not signed in")

    connection = Connection("account", queue_endpoint="https://127.0.0.1:1", setting="Other")
    async with StorageAccount(connection, credential=Broken()) as account:
        with pytest.raises(AccessDenied, match=r"not signed in .* behind 'Other'\."):
            await account.queues.list()


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ((), "DefaultAzureCredential"),
        ((("clientId", "id"),), "DefaultAzureCredential"),
        ((("credential", "managedidentity"),), "ManagedIdentityCredential"),
        ((("credential", "managedidentity"), ("clientId", "id")), "ManagedIdentityCredential"),
        ((("tenantId", "tenant"), ("clientId", "id"), ("clientSecret", "s")), "ClientSecretCredential"),
    ],
)
async def test_identity_settings_choose_the_credential(settings: tuple[tuple[str, str], ...], kind: str) -> None:
    credential = create_credential(settings)
    assert type(credential).__name__ == kind
    await credential.close()


async def test_a_service_without_endpoint_is_named() -> None:
    async with StorageAccount(Connection("account", account_key="a2V5", setting="Mine")) as account:
        with pytest.raises(StorageError, match="'Mine' has no endpoint for the table service"):
            _ = account.tables
