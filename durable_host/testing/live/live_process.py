"""A `func start` that a test controls: the process, its task hub, and the channel to it."""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Final

from durable_host.config import load
from durable_host.errors import HostError
from durable_host.host.host_process import WAITING, HostNotReady, HostProcess
from durable_host.testing.error_notes import with_notes
from durable_host.testing.live.call_channel import CallChannel, ChannelClosed

__tracebackhide__ = True

_PRELUDE: Final = "from durable_host.testing.live.live_launcher import prepare; prepare({}); "
_HUB: Final = "AzureFunctionsJobHost__extensions__durableTask__hubName"
_SQLITE_FILE: Final = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__path"
_UNTIL_READY: Final = 120.0


class LiveHostFailed(HostError):
    """The host of a live app cannot be started, or has ended while a test used it; the cause is its last lines."""

    code = "DH3060"


class LiveProcess:
    """A host with a fresh task hub. The constructor waits until it is ready. Raises LiveHostFailed.

    `answer` gets the calls of the host; it runs in `loop`.
    """

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str],
        python: Path | None,
        loop: asyncio.AbstractEventLoop,
        answer: Any,
    ) -> None:
        if sys.platform == "win32":
            raise LiveHostFailed("Live apps need Linux or macOS.", remedy="Use FunctionApp, or 'func exec -- pytest'.")
        self._is_stopping = False
        self.task_hub = f"Live{secrets.token_hex(6)}"
        self._folder = tempfile.TemporaryDirectory(prefix="live-app-", ignore_cleanup_errors=True)
        environ = {**environ, _HUB: self.task_hub}
        if load(root, environ=environ).host.durable.storage.type.lower() == "sqlite":
            environ[_SQLITE_FILE] = str(Path(self._folder.name) / "hub.db")
        self._errors = Path(self._folder.name) / "errors.txt"
        own, other = Pipe()
        try:
            with self._errors.open("wb") as errors:
                self._host = HostProcess(
                    _arguments(root, python),
                    environ=environ,
                    folder=root,
                    log=self._read_line,
                    prelude=_PRELUDE.format(other.fileno()),
                    inherited=[other.fileno()],
                    errors=errors,
                )
        finally:
            other.close()
        self._channel = CallChannel(own, loop, answer, lambda: None)
        try:
            self.base_url = self._host.wait_until_ready(_UNTIL_READY)
        except HostNotReady as error:
            failure = self._failure("The host of the live app did not start.")
            self.stop()
            raise failure from error
        except BaseException:
            self.stop()
            raise

    def call(self, name: str, *arguments: Any, limit: float | None = None) -> Any:
        """Call an operation in the host and wait for its result.

        Raises what it raises, LiveHostFailed, and TimeoutError after `limit` seconds.
        """
        try:
            return self.begin_call(name, *arguments).result(limit)
        except ChannelClosed:
            raise self._failure("The host of the live app has ended.") from None

    def begin_call(self, name: str, *arguments: Any) -> "Future[Any]":
        """Call an operation in the host. The future raises what it raises, and ChannelClosed."""
        return self._channel.call(name, *arguments)

    def _failure(self, text: str) -> LiveHostFailed:
        """The error with what the host has written last."""
        lines = [*self._host.last_lines, *self._errors.read_text("utf-8", "replace").splitlines()]
        return with_notes(LiveHostFailed(text, cause="\n".join(lines) or None))

    def stop(self) -> None:
        """Stop the host and delete its files. If that takes long, the host's line about it is shown. Idempotent."""
        self._is_stopping = True
        self._host.stop()
        self._channel.close()
        self._folder.cleanup()

    def _read_line(self, _level: str, message: str) -> None:
        if self._is_stopping and message.startswith(WAITING):
            with suppress(OSError, ValueError):  # This thread has to read on even if stderr is closed.
                print(f"The live app is being closed. {message}", file=sys.stderr, flush=True)


def _arguments(root: Path, python: Path | None) -> Sequence[str]:
    fixed = ["--port", "0", "--script-root", str(root), "--azurite", "off", "--no-reload"]
    return fixed if python is None else [*fixed, "--python", str(python)]
