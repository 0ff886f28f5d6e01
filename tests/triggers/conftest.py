from collections.abc import AsyncIterator

import pytest

from durable_host.config.connection import Connection
from durable_host.config.connections import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY
from durable_host.storage import StorageAccount


@pytest.fixture
async def account() -> AsyncIterator[StorageAccount]:
    def at(port: int) -> str:
        return f"http://127.0.0.1:{port}/{DEVELOPMENT_ACCOUNT}"

    connection = Connection(
        account_name=DEVELOPMENT_ACCOUNT, account_key=DEVELOPMENT_KEY,
        blob_endpoint=at(21000), queue_endpoint=at(21001), table_endpoint=at(21002),
    )  # fmt: skip
    async with StorageAccount(connection) as opened:
        yield opened
