"""For all tests: their tiers, and one Azurite for all processes of a run.

The controller of pytest-xdist runs no test. It imports little, because the other processes wait for it.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fast_start  # first: it decides what is kept of the following
import forked_hosts
import forked_workers
import pytest
from batched_messages import BatchedMessages
from dead_processes import DeadProcesses
from examples import register_profiles
from host_template import fork_worker_template, order_worker
from shares import EndsAtOnce, SecondsOfFiles, Shares, is_elsewhere
from tiers import ProcessGuard, check_tier, has_no_unit_tests, rank, tier_of

if TYPE_CHECKING:
    from npm_packages import NpmPackages
    from shared_azurite import SharedAzurite

    from durable_host.config.connection import Connection
    from durable_host.storage import StorageAccount

AZURITE: pytest.StashKey[SharedAzurite] = pytest.StashKey()
GUARD = ProcessGuard()
NEW_OBJECTS = 20_000
"""See `NEW_OBJECTS` of `cli/program.py`."""
FOLDERS_WITH_THREADS = ("sample", "testing")
"""Their tests start workers in threads that end before the session does."""


def pytest_configure(config: pytest.Config) -> None:
    forked_workers.install(fork_worker_template, order_worker)
    forked_hosts.install()
    dist = config.getoption("dist", "no")
    is_worker = hasattr(config, "workerinput")  # of pytest-xdist
    if is_worker or dist == "no":
        register_profiles()
    if is_worker:
        config.pluginmanager.register(BatchedMessages(config))
        config.pluginmanager.register(SecondsOfFiles(config))
        if config.option.markexpr == "unit":
            config.pluginmanager.register(EndsAtOnce())
        return
    if config.option.markexpr == "unit":
        fast_start.keep_files_in_memory()
    else:
        from shared_azurite import SharedAzurite

        fast_start.compile_product()
        config.stash[AZURITE] = SharedAzurite(config)
    if dist != "no":
        config.pluginmanager.register(DeadProcesses())
    if dist == "each":
        config.pluginmanager.register(Shares(config))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """In the controller of pytest-xdist: `node` is one of its workers."""
    if AZURITE in node.config.stash:
        import msgspec

        from durable_host.storage.azurite import AzuriteError

        try:
            node.workerinput["azurite"] = msgspec.to_builtins(node.config.stash[AZURITE].next_account())
        except AzuriteError:
            del node.config.stash[AZURITE]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Importing everything takes longer than many unit tests."""
    is_unneeded = config.option.markexpr == "unit" and has_no_unit_tests(collection_path)
    return True if is_unneeded or is_elsewhere(collection_path, config) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Before `-m` selects. Each process has collected the files that the command line names."""
    items[:] = [item for item in items if not is_elsewhere(item.path, config)]
    for item in items:
        item.add_marker(tier_of(item))
    items.sort(key=rank)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exclude the collected tests, which all stay in memory, from garbage collection.

    It looks as rarely as in the host, which takes less than half the time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    check_tier(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    GUARD.is_on = item.get_closest_marker("unit") is not None
    if not GUARD.is_on and item.path.parent.name in FOLDERS_WITH_THREADS:
        forked_workers.prepare()
    try:
        return (yield)
    finally:
        GUARD.is_on = False


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A running Azurite: the connection to an account that no other process uses."""
    import msgspec
    from shared_azurite import start_shared_azurite

    from durable_host.config.connection import Connection

    if shared := getattr(request.config, "workerinput", {}).get("azurite"):
        yield msgspec.convert(shared, Connection)
        return
    connection, process = start_shared_azurite()
    yield connection
    process.stop()


@pytest.fixture(scope="session")
def connection_string(azurite: Connection) -> str:
    """The connection string of the session's Azurite."""
    from durable_host.storage.azurite import connection_string

    return connection_string(azurite)


@pytest.fixture
async def storage(azurite: Connection) -> AsyncIterator[StorageAccount]:
    """The account of the session's Azurite."""
    from durable_host.storage import StorageAccount

    async with StorageAccount(azurite) as account:
        yield account


@pytest.fixture
def started_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers of this test are started as in the product, not forked."""
    monkeypatch.setattr(forked_workers, "is_on", False)


@pytest.fixture(scope="session")
def npm_packages() -> NpmPackages:
    """The packages of Node.js apps, from npm. A test that asks for them is skipped where npm is missing."""
    from npm_packages import NpmPackages

    return NpmPackages()
