"""An app whose code is loaded in a worker process. Tests share it; each has its own task hub, storage and time."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path

import msgspec

from durable_host.config import HostConfig, StartOptions, load, project
from durable_host.durable.api.rpc_server import OTHER_PORTS, TRIES
from durable_host.errors import ConfigurationError
from durable_host.host.worker_start import worker_options
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.pool import WorkerPool
from durable_host.testing.error_notes import with_notes
from durable_host.testing.memory_storage.memory_connections import MemoryPorts, settings_in_memory
from durable_host.testing.memory_storage.memory_server import MemoryServer

__tracebackhide__ = True

_GRACE = 1.0
_LOOKS_EVERY = 0.001
_REMEDY = "Name its folder: pytest --function-app PATH, 'durable_host_app' in the ini file, or FunctionApp(PATH)."


def app_folder(root: Path) -> Path:
    """The folder of the app that is in `root` or above it. Raises ConfigurationError if there is none."""
    if not root.is_dir():
        raise with_notes(ConfigurationError(f"{root} is not a folder, so no app can be tested there.", remedy=_REMEDY))
    try:
        return project.find_root(root)
    except ConfigurationError as error:
        found = ConfigurationError(error.message, cause=error.cause, remedy=_REMEDY, code=error.code)
        raise with_notes(found) from error


class IndexedApp:
    """The configuration of an app, its worker processes, and the functions that they found.

    All storage accounts in its settings are in memory, at `ports` of this machine, unless it `keeps_accounts`.
    """

    def __init__(
        self,
        config: HostConfig,
        pool: WorkerPool,
        index: IndexResult,
        server: MemoryServer,
        ports: MemoryPorts,
        *,
        keeps_accounts: bool,
    ) -> None:
        self.server = server
        self.ports = ports
        self.keeps_accounts = keeps_accounts
        self.config = config
        self.pool = pool
        self.index = index
        first = random.randrange(len(OTHER_PORTS))
        self._rpc_ports = cycle([*OTHER_PORTS[first:], *OTHER_PORTS[:first]])

    @classmethod
    async def load(
        cls, root: Path, environ: Mapping[str, str], *, python: Path | None, keeps_accounts: bool = False
    ) -> "IndexedApp":
        """Load the app that is in `root` or above it. Raises HostError if it does not load."""
        config = load(app_folder(root), environ=environ)
        async with AsyncExitStack() as ending:
            server = MemoryServer()
            ending.push_async_callback(server.close)
            ports = await server.start()
            if not keeps_accounts:
                config = msgspec.structs.replace(config, settings=settings_in_memory(config.settings, ports))
            pool = WorkerPool(worker_options(config, StartOptions(python=python)))
            ending.push_async_callback(pool.stop, _GRACE)
            index = await pool.start()
            if index.failure is not None:
                raise index.failure
            ending.pop_all()
        return cls(config, pool, index, server, ports, keeps_accounts=keeps_accounts)

    def rpc_ports(self) -> list[int]:
        """Ports for the RPC endpoint of one run. SDKs keep connections, so the next run must not use the same port."""
        return [next(self._rpc_ports) for _ in range(TRIES)]

    async def end_calls(self) -> None:
        """If a test was interrupted while a function ran, end the worker process, and wait until there is another one.

        Raises WorkerLost.
        """
        if not self.pool.is_busy:
            return
        self.pool.kill()
        while self.pool.is_busy:  # noqa: ASYNC110 - nobody tells when all calls have failed
            await asyncio.sleep(_LOOKS_EVERY)
        await self.pool.ready()

    async def close(self) -> None:
        """End the worker processes."""
        await self.pool.stop(0 if self.pool.is_busy else _GRACE)
        await self.server.close()
