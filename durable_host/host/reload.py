"""Reloads the app when its files change while the host runs.

A new worker loads the changed app next to the running one. If that succeeds, the new app replaces the old one;
otherwise the old one continues.

Source: docs/protocol/functions-host-worker.md#reloading
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from durable_host.config import HostConfig, load
from durable_host.config.host_config import HOST_JSON, pinned
from durable_host.errors import ConfigurationError, HostError
from durable_host.host.app_switch import AppSwitch
from durable_host.host.served_app import ServedApp
from durable_host.host.source_build import SourceBuild
from durable_host.host.watched_files import OFFLINE_FILE, SETTINGS_FILE, WatchRules, changes
from durable_host.host.worker_kinds import worker_kind_of
from durable_host.host.worker_start import WORKER_STARTED, worker_options
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.workers import Workers
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Startup")
_worker_log = logging.getLogger("Host.Worker")

_SHOWN_NAMES = 3
_AS_BEFORE = "The app continues without the change."
PATIENCE = 2.0
"""Seconds that an app may take to load before a newer change supersedes it."""


class Superseded(Exception):
    """The app has changed again while it was being loaded."""


class Reloader:
    """Watches the app's files from `start` to `stop`, and reloads the app, one reload at a time."""

    def __init__(self, server: AppSwitch, config: HostConfig) -> None:
        self._server = server
        self._stopping = threading.Event()
        self._reasons: dict[str, None] = {}
        self._with_configuration = False
        self._with_build = False
        self._requested = asyncio.Event()
        self._tasks = Tasks(_log)
        self._show_state: Callable[[], None] = lambda: None
        self._rules = _watch_rules(config, server.options.script_root)
        self._source_build = SourceBuild(server.options, self._rules)
        self._known_files = self._rules.file_times() if server.options.reload else {}

    def start(self, check_offline: Callable[[], None], show_state: Callable[[], None]) -> None:
        """Start watching. `check_offline` is called when the file that takes the app offline changes.

        `show_state` is called when a new state of the app is served.
        """
        self._show_state = show_state
        self._tasks.keep_running("reloading of the app", self._serve_requests)
        config = self._server.app.config
        if self._server.options.reload and config.host.file_watching_enabled:
            self._tasks.keep_running("monitoring of the app's files", lambda: self._watch(config, check_offline))

    async def stop(self) -> None:
        """Stop watching, and cancel a running reload."""
        self._stopping.set()
        await self._tasks.stop()

    def request(self, reason: str, *, with_configuration: bool = True) -> None:
        """Reload in the background; `reason` is shown."""
        self._reasons[reason] = None
        self._with_configuration |= with_configuration
        self._requested.set()

    async def _watch(self, config: HostConfig, check_offline: Callable[[], None]) -> None:
        async for found in changes(self._rules, self._known_files, self._stopping):
            paths = self._source_build.relevant(found)
            names = [path.relative_to(config.root) if path.is_relative_to(config.root) else path for path in paths]
            if Path(OFFLINE_FILE) in names:
                names.remove(Path(OFFLINE_FILE))
                check_offline()
            if names:
                is_configured = any(name in (Path(HOST_JSON), Path(SETTINGS_FILE)) for name in names)
                self._with_build |= self._source_build.is_needed(paths)
                self.request(f"{_enumerated(map(str, names))} changed", with_configuration=is_configured)

    async def _serve_requests(self) -> None:
        while True:
            await self._requested.wait()
            self._requested.clear()
            reasons, self._reasons = self._reasons, {}
            with_configuration, self._with_configuration = self._with_configuration, False
            with_build, self._with_build = self._with_build, False
            try:
                await self._reload("; ".join(reasons), with_configuration, with_build)
            except Superseded:
                self._with_configuration |= with_configuration
            except Exception:
                _log.exception("The app could not be reloaded; it continues without the change")

    async def _reload(self, reason: str, with_configuration: bool, with_build: bool) -> None:
        server, began = self._server, time.monotonic()
        server.options.presenter.progress(f"{reason}, reloading ...")
        is_read = False
        try:
            old = server.app
            config = self._configuration(old.config) if with_configuration else old.config
            is_read = True
            if with_build:
                await self._source_build.run()
                if self._requested.is_set():
                    raise Superseded
            workers = await self._load(config)
        except HostError as error:
            # The next change applies these settings, too. Those that cannot be read have to change anyway.
            self._with_configuration |= with_configuration and is_read
            _log.error("%s\n%s", error_text(error), _AS_BEFORE)
            return
        async with server.turn:
            try:
                app = await self._replace(config, workers)
            except HostError as error:
                self._with_configuration |= with_configuration
                _log.error("%s\n%s", error_text(error), _AS_BEFORE)
                return
            await self._begin()
        _worker_log.info(WORKER_STARTED)
        server.options.presenter.progress(f"Reloaded in {time.monotonic() - began:.1f} s: {_difference(old, app)}")
        if left := needs_restart(old.config, config, has_durable=server.durable.services is not None):
            _log.warning("Restart the host to apply the changes in %s.", _enumerated(left))

    async def _begin(self) -> None:
        server = self._server
        server.problem = None
        try:
            await server.start_events()
        except Exception as error:
            server.problem = error_text(error)
            _log.error(
                "%s\nThe changed app runs without it.",
                server.problem,
                exc_info=None if isinstance(error, HostError) else error,
            )
        self._show_state()

    async def _load(self, config: HostConfig) -> Workers:
        server = self._server
        options = msgspec.structs.replace(server.options, script_root=self._source_build.script_root)
        workers = await self._unless_superseded(server.pool.prepare(worker_options(config, options)))
        if workers.index.failure is not None:
            raise workers.index.failure
        return workers

    async def _replace(self, config: HostConfig, workers: Workers) -> ServedApp:
        server = self._server
        try:
            app = await server.prepare(config, workers.index)
        except BaseException:
            await workers.stop(0)
            raise
        server.switch_to(app, workers)
        server.options.presenter.reconfigured(config.host.logging)
        return app

    async def _unless_superseded(self, loading: Coroutine[Any, Any, Workers]) -> Workers:
        """Load an app, but give up if it takes too long and there is a newer change.

        Raises Superseded.
        """
        task, newer = asyncio.create_task(loading), asyncio.create_task(self._requested.wait())
        try:
            await asyncio.wait((task,), timeout=PATIENCE)
            await asyncio.wait((task, newer), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Superseded
            return task.result()
        finally:
            task.cancel()
            newer.cancel()
            await asyncio.gather(task, newer, return_exceptions=True)

    def _configuration(self, old: HostConfig) -> HostConfig:
        """Read the configuration from the files again. Raises ConfigurationError."""
        path = old.root / HOST_JSON
        if not path.is_file() or not path.read_text("utf-8-sig", "replace").strip():
            raise ConfigurationError(f"{HOST_JSON} is missing or empty.", code="DH1002")
        config = load(old.root, environ=os.environ, overrides=self._server.options.overrides)
        for warning in set(config.warnings) - set(old.warnings):
            _log.warning("%s", warning)
        return config if config.port else pinned(config, old.port)


def _watch_rules(config: HostConfig, script_root: Path | None) -> WatchRules:
    kind = worker_kind_of(config.runtime)
    output = script_root or kind.script_root(config.root)
    return WatchRules(
        config.root,
        config.host.watch_files,
        config.host.watch_directories,
        kind.sources(config.root),
        output if output != config.root else None,
    )


def needs_restart(old: HostConfig, new: HostConfig, *, has_durable: bool) -> list[str]:
    """Names of changed settings that only a restart applies."""
    pairs: Sequence[tuple[str, object, object]] = [
        ("Host.LocalHttpPort", old.port, new.port),
        ("Host.LocalHttpAddress", old.address, new.address),
        ("Host.CORS", old.cors, new.cors),
        ("Host.CORSCredentials", old.cors_credentials, new.cors_credentials),
        ("fileWatchingEnabled", old.host.file_watching_enabled, new.host.file_watching_enabled),
        ("watchFiles", old.host.watch_files, new.host.watch_files),
        ("watchDirectories", old.host.watch_directories, new.host.watch_directories),
        ("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", _setting(old, _BODY_LIMIT), _setting(new, _BODY_LIMIT)),
    ]
    if has_durable:
        hub = new.host.durable.storage.connection_name
        names = {"AzureWebJobsStorage", hub, f"AzureWebJobs{hub}"}
        pairs = [
            *pairs,
            ("extensions.durableTask", old.host.durable, new.host.durable),
            *((name, _setting(old, name), _setting(new, name)) for name in sorted(names)),
        ]
    return [name for name, before, after in pairs if before != after]


_BODY_LIMIT = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"


def _setting(config: HostConfig, name: str) -> str | None:
    return config.settings.get(name)


def error_text(error: Exception) -> str:
    """The message, the cause and the remedy of an error, on separate lines."""
    if not isinstance(error, HostError):
        return f"{type(error).__name__}: {error}"
    return "\n".join(line for line in (error.message, error.cause, error.remedy) if line)


def _difference(old: ServedApp, new: ServedApp) -> str:
    before = {function.name: function for function in old.functions.all}
    after = {function.name: function for function in new.functions.all}
    parts = [
        f"{word} {_enumerated(names)}"
        for word, names in (
            ("new", after.keys() - before.keys()),
            ("gone", before.keys() - after.keys()),
            ("changed", {name for name in after.keys() & before.keys() if _differs(before[name], after[name])}),
        )
        if names
    ]
    count = len(new.functions.all)
    return ", ".join([f"{count} function{'' if count == 1 else 's'}", *parts]) + "."


def _differs(one: FunctionMetadata, other: FunctionMetadata) -> bool:
    return one.bindings != other.bindings or one.retry != other.retry


def _enumerated(names: Iterable[str]) -> str:
    known = sorted(names)
    shown = ", ".join(known[:_SHOWN_NAMES])
    return shown if len(known) <= _SHOWN_NAMES else f"{shown} and {len(known) - _SHOWN_NAMES} more"
