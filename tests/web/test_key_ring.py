"""Keys: created once, and stored in documents that Azure's host can read.

Source: docs/protocol/functions-host.md#key-documents
"""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.web.keys import BlobKeys, FileKeys, KeyRing, KeysUnavailable
from durable_host.web.keys.keyring import Grant, Level
from durable_host.web.keys.records import InvalidKeys, host_document, new_host_keys, new_key, read_function, read_host


class Memory:
    """A repository that counts its uses."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.reads = 0

    async def read(self, name: str) -> dict[str, Any] | None:
        self.reads += 1
        await asyncio.sleep(0)
        return self.documents.get(name)

    async def write(self, name: str, document: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        self.documents[name] = document


def test_a_key_has_56_characters_for_urls_and_the_signature() -> None:
    keys = {new_key() for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        assert len(key) == 56
        assert key[44:48] == "AzFu"
        assert len(base64.urlsafe_b64decode(key)) == 40


def test_documents_are_read_as_they_are_written() -> None:
    keys = new_host_keys()
    assert read_host(host_document(keys, "instance")) == keys


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"masterKey": {"value": "x"}},
        {"masterKey": {"value": "x", "encrypted": True}, "functionKeys": [], "systemKeys": []},
        {"masterKey": {"value": 5}, "functionKeys": [], "systemKeys": []},
        {"masterKey": "x", "functionKeys": [], "systemKeys": []},
    ],
)
def test_documents_without_usable_keys_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidKeys):
        read_host(document)
    with pytest.raises(InvalidKeys):
        read_function(document)


async def test_callers_that_come_together_meet_the_same_new_keys() -> None:
    ring = KeyRing(Memory(), "i")
    found = await asyncio.gather(*(ring.host() for _ in range(10)), *(ring.host() for _ in range(10)))
    assert len({keys.master for keys in found}) == 1
    assert len(set(await asyncio.gather(*(ring.system_key("x_extension") for _ in range(5))))) == 1


async def test_levels_of_keys() -> None:
    memory = Memory()
    ring = KeyRing(memory, "i")
    host, own = await ring.host(), await ring.function("Fn")
    system = await ring.system_key("x_extension")
    for key, function, grant in (
        (host.master, "fn", Grant(Level.ADMIN)),
        (system, "fn", Grant(Level.SYSTEM, "x_extension")),
        (host.function_keys["default"], "fn", Grant(Level.FUNCTION)),
        (own["default"], "FN", Grant(Level.FUNCTION)),
        (own["default"], "other", Grant(Level.ANONYMOUS)),
        (own["default"], None, Grant(Level.ANONYMOUS)),
        ("", "fn", Grant(Level.ANONYMOUS)),
    ):
        assert await ring.grant_of(key, function) == grant


async def test_wrong_keys_do_not_read_storage_each_time() -> None:
    memory = Memory()
    ring = KeyRing(memory, "i")
    await ring.grant_of("wrong", "fn")
    before = memory.reads
    for _ in range(20):
        assert (await ring.grant_of("wrong", "fn")).level is Level.ANONYMOUS
    assert memory.reads == before


async def test_files_are_for_this_user_only_and_broken_ones_are_reported(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    keys = FileKeys(folder)
    assert await keys.read("host") is None
    await keys.write("host", {"a": 1})
    assert await keys.read("host") == {"a": 1}
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "host.json").stat().st_mode & 0o077 == 0
    assert (folder / "host.json").stat().st_mode & 0o777 == 0o600
    for content in ("{", "[]"):
        (folder / "host.json").write_text(content)
        with pytest.raises(KeysUnavailable):
            await keys.read("host")


async def test_a_refused_access_to_the_keys_has_one_remedy() -> None:
    class NotSignedIn:
        async def get_token(self, *scopes: str) -> Any:
            raise RuntimeError("not signed in")

    connection = Connection("account", blob_endpoint="https://127.0.0.1:1", setting="Mine")
    async with StorageAccount(connection, credential=NotSignedIn()) as account:
        keys = BlobKeys(account.blobs, "host-id")
        for attempt in (keys.read("host"), keys.write("host", {})):
            with pytest.raises(KeysUnavailable) as failure:
                await attempt
            assert "not signed in" in (failure.value.cause or "")
            assert "Check" not in (failure.value.cause or ""), "the remedy says it"
            assert (failure.value.remedy or "").startswith("Check the account of AzureWebJobsStorage")
