"""Names of queues, tables and containers that no other test uses."""

import uuid

import pytest

from durable_host.storage import StorageAccount


@pytest.fixture
async def queue(storage: StorageAccount) -> str:
    name = f"q-{uuid.uuid4().hex}"
    await storage.queues.create(name)
    return name


@pytest.fixture
async def table(storage: StorageAccount) -> str:
    name = f"T{uuid.uuid4().hex}"
    await storage.tables.create_table(name)
    return name


@pytest.fixture
async def container(storage: StorageAccount) -> str:
    name = f"c-{uuid.uuid4().hex}"
    await storage.blobs.create_container(name)
    return name
