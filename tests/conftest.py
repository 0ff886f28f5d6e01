"""Fixtures for all tests: one in-memory Azurite a session, on free ports."""

from collections.abc import AsyncIterator, Iterator

import pytest

from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import connection_string as text_of
from durable_host.storage.azurite import free_connection, start_azurite


@pytest.fixture(scope="session")
def azurite() -> Iterator[Connection]:
    """A running Azurite: the connection to it."""
    connection = free_connection()
    process = start_azurite(connection)
    yield connection
    process.stop()


@pytest.fixture(scope="session")
def connection_string(azurite: Connection) -> str:
    """The connection string of the session's Azurite."""
    return text_of(azurite)


@pytest.fixture
async def storage(azurite: Connection) -> AsyncIterator[StorageAccount]:
    """The account of the session's Azurite."""
    async with StorageAccount(azurite) as account:
        yield account
