"""The Azurite that this host has started: restarted if it ends, stopped with the host."""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from durable_host.config.connection import Connection
from durable_host.config.start_options import AzuriteMode
from durable_host.storage.azurite import AzuriteContainer, AzuriteError, AzuriteProcess, ensure_azurite
from durable_host.supervision import keep_running

_log = logging.getLogger("Host.Azurite")

CHECK_SECONDS = 1.0
DATA_FOLDER = ".azurite"


class OwnAzurite:
    """Starts Azurite if the development account does not answer, and owns that process."""

    def __init__(self, connection: Connection, mode: AzuriteMode, root: Path, report: Callable[[str], None]) -> None:
        self._connection = connection
        self._mode: AzuriteMode = mode
        self._root = root
        self._report = report
        self._process: AzuriteProcess | AzuriteContainer | None = None
        self._cancelled = threading.Event()
        self._watch: asyncio.Task[None] | None = None

    @property
    def was_started(self) -> bool:
        """True if this host started the Azurite in use."""
        return self._process is not None

    async def ensure(self) -> None:
        """Start Azurite if nothing answers. Cancelling stops an Azurite that is starting. Raises AzuriteError."""
        work = asyncio.create_task(asyncio.to_thread(self._ensure))
        try:
            self._process = await asyncio.shield(work)
        except asyncio.CancelledError:
            self._cancelled.set()
            with suppress(AzuriteError):
                self._process = await work
            await self.stop()
            raise
        if self._process is not None:
            self._watch = asyncio.create_task(keep_running("monitoring of Azurite", self._restart_when_it_ends, _log))

    async def stop(self) -> None:
        """Stop the Azurite that this host started; any other keeps running. Idempotent."""
        self._cancelled.set()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        process, self._process = self._process, None
        if process is not None:
            await asyncio.to_thread(process.stop)

    def stop_container(self) -> None:
        """Stop a container, which would outlive this process. An Azurite process ends by itself."""
        if isinstance(self._process, AzuriteContainer):
            self._process.stop()

    def _ensure(self) -> AzuriteProcess | AzuriteContainer | None:
        return ensure_azurite(
            self._connection,
            data_dir=self._root / DATA_FOLDER,
            mode=self._mode,
            report=self._report,
            app_dir=self._root,
            cancelled=self._cancelled,
        )

    async def _restart_when_it_ends(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            process = self._process
            if not isinstance(process, AzuriteProcess) or process.is_running:
                continue
            _log.warning("Azurite stopped unexpectedly and is being restarted.")
            try:
                await asyncio.to_thread(process.stop)
                self._process = await asyncio.to_thread(self._ensure)
            except AzuriteError as error:
                _log.error("Azurite could not be restarted: %s %s", error, error.cause or "")
                self._process = process
                await asyncio.sleep(10 * CHECK_SECONDS)
            if self._process is None:
                return
