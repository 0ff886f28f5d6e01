"""Hubs that a request names: read without being created, created by the first start or signal."""

import os
import sqlite3
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hub_samples import create, raised, run_first_episode

from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.taskhub.azure import AzureTaskHubOptions
from durable_host.durable.taskhub.azure.foreign import ForeignAzureHub
from durable_host.durable.taskhub.port import TaskHub, TaskHubUnavailable
from durable_host.durable.taskhub.sqlite import ForeignSqliteHub, SqliteTaskHub
from durable_host.storage import StorageAccount


class Foreign:
    """One hub as a client of another app sees it; `parts` names what there is of it in storage."""

    def __init__(self, hub: TaskHub, storage: StorageAccount | None, folder: Path) -> None:
        self.hub = hub
        self._storage = storage
        self._folder = folder

    async def parts(self) -> list[str]:
        if self._storage is None:
            return [path.name for path in self._folder.rglob("*.db")]
        name = self.hub.name.lower()
        tables = [table for table in await self._storage.tables.list_tables() if table.lower().startswith(name)]
        return tables + list(await self._storage.queues.list(name))


@pytest.fixture(params=["sqlite", pytest.param("azure", marks=pytest.mark.storage)])
async def foreign(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Foreign]:
    name = f"Other{uuid.uuid4().hex[:12]}"
    if request.param == "sqlite":
        hub = ForeignSqliteHub(tmp_path / "hubs" / "other.db", name)
        yield Foreign(hub, None, tmp_path)
        await hub.close()
        return
    async with StorageAccount(request.getfixturevalue("azurite")) as storage:
        hub = ForeignAzureHub(storage, None, AzureTaskHubOptions(hub_name=name))
        yield Foreign(hub, storage, tmp_path)
        await hub.delete()
        await hub.close()


async def test_reading_a_hub_that_does_not_exist_makes_nothing(foreign: Foreign) -> None:
    hub = foreign.hub
    assert await hub.get_instance("a") is None
    assert (await hub.query_instances(InstanceQuery())).instances == []
    assert await hub.get_history("a") == []
    assert await hub.purge_instance("a") is False
    assert await foreign.parts() == []


async def test_a_start_makes_the_hub(foreign: Foreign) -> None:
    await create(foreign.hub, "a")
    assert await foreign.parts() != []
    state = await foreign.hub.get_instance("a")
    assert state is not None
    assert [one.instance_id for one in (await foreign.hub.query_instances(InstanceQuery())).instances] == ["a"]


async def test_a_signal_makes_the_hub(foreign: Foreign) -> None:
    await foreign.hub.send(raised("@counter@k", "op", "{}"))
    assert await foreign.parts() != []


async def test_a_hub_that_is_served_can_be_read_and_written(tmp_path: Path) -> None:
    served = SqliteTaskHub(tmp_path / "other.db", "Other")
    await served.start()
    await run_first_episode(served, "a")
    foreign = ForeignSqliteHub(tmp_path / "other.db", "Other")
    assert len(await foreign.get_history("a")) > 1
    await foreign.send(raised("a"))
    assert [one.message.event.event_name for one in await served.next_control_messages()] == ["EventRaised"]
    assert await foreign.purge_instance("a")
    assert await served.get_instance("a") is None
    await foreign.close()
    await served.stop()
    await served.close()


async def test_reading_opens_the_file_read_only(tmp_path: Path) -> None:
    made = SqliteTaskHub(tmp_path / "other.db", "Other")
    await create_and_close(made)
    foreign = ForeignSqliteHub(tmp_path / "other.db", "Other")
    assert await foreign.get_instance("a") is not None
    with pytest.raises(TaskHubUnavailable, match="readonly"):
        await foreign._reader.run(lambda connection: connection.execute("DELETE FROM instances"))
    await foreign.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be deleted there")
async def test_a_file_that_was_created_again_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    await create_and_close(SqliteTaskHub(path, "Other"))
    foreign = ForeignSqliteHub(path, "Other")
    assert await foreign.get_instance("a") is not None
    changes = await foreign.changes()
    delete_files(tmp_path)
    made = SqliteTaskHub(path, "Other")
    await made.create()
    await create(made, "b")
    await made.close()
    assert [one.instance_id for one in (await foreign.query_instances(InstanceQuery())).instances] == ["b"]
    assert await foreign.changes() != changes
    await foreign.close()


async def test_a_file_that_is_no_hub_is_empty(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "other.db").close()
    foreign = ForeignSqliteHub(tmp_path / "other.db", "Other")
    assert await foreign.get_instance("a") is None
    await foreign.close()


async def test_errors_for_callers_contain_neither_file_nor_sql(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    path.write_text("this is no database, although it is long enough to be taken for one" * 100)
    foreign = ForeignSqliteHub(path, "Other")
    for attempt in (foreign.get_instance("a"), foreign.send(raised("a"))):
        with pytest.raises(TaskHubUnavailable) as caught:
            await attempt
        assert str(path) in str(caught.value)
        assert caught.value.public_text == "The file of the task hub cannot be used; the log of the host says why."
    await foreign.close()


async def test_a_closed_hub_leaves_no_file_open(tmp_path: Path) -> None:
    await create_and_close(SqliteTaskHub(tmp_path / "other.db", "Other"))
    foreign = ForeignSqliteHub(tmp_path / "other.db", "Other")
    await foreign.get_instance("a")
    await create(foreign, "b")
    assert open_files(tmp_path)
    await foreign.close()
    assert not open_files(tmp_path)


async def create_and_close(hub: SqliteTaskHub) -> None:
    await hub.create()
    await create(hub, "a")
    await hub.close()


def delete_files(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def open_files(folder: Path) -> list[str]:
    found = (os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd"))
    return [path for path in found if path.startswith(str(folder))]
