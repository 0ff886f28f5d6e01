"""Runs the host process: event loop, signals, exit code. `composition` is the composition root.

Source: docs/protocol/functions-host-worker.md#stopping-the-host
"""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from durable_host import ports
from durable_host.config import HostConfig, StartOptions
from durable_host.config.host_config import pinned
from durable_host.config.start_options import Presenter
from durable_host.errors import EXIT_STOPPED, HostError
from durable_host.host import late_certificates
from durable_host.host.code_storage import connection_of_code
from durable_host.host.early_imports import begin_imports
from durable_host.host.host_process import WAITING
from durable_host.host.worker_start import worker_options
from durable_host.invocation.pool import WorkerPool

if TYPE_CHECKING:
    from durable_host.chaos.chaos import Chaos
    from durable_host.host.composition import Services

_log = logging.getLogger("Host.Startup")

GRACE = 5.0
LONGEST_STOP = 9.0
SILENT_STOP = 1.0
"""Seconds after which a stop says what it waits for."""
LAST_LINES = 0.5
"""Seconds for the output of a host that ends immediately."""


def run_host(config: HostConfig, options: StartOptions) -> int:
    """Serve the app until SIGINT or SIGTERM, and return the exit code.

    The first signal drains and stops within 10 s, the second one immediately. Raises HostError if the host cannot
    start, or if an essential part has ended permanently.
    """
    ports.check(config.address, config.port)
    with _with_port(config) as pinned_config, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(pinned_config, options))


class HostServices(Protocol):
    """Everything that runs in a host. Call `start` once, then `stop` once, even if `start` failed."""

    async def start(self, started_at: float) -> None:
        """Start everything. `started_at`: `time.monotonic` when the program began. Raises HostError."""
        ...

    async def failure(self) -> HostError:
        """Wait until an essential part has ended permanently, and return the reason."""
        ...

    async def stop(self, grace: float) -> None:
        """Stop everything. Never raises."""
        ...

    def running_functions(self) -> Mapping[str, bool]:
        """The functions that run, by name. True: in a thread, which `stop` waits for even after the grace."""
        ...

    def kill(self) -> None:
        """Immediately stop everything that would outlive this process."""
        ...


async def _serve(config: HostConfig, options: StartOptions) -> int:
    chaos = _chaos_of(config)
    worker = worker_options(config, options)
    pool = WorkerPool(worker)

    async def make() -> HostServices:
        # The worker process loads the app while this process imports the code that serves it.
        code_storage = connection_of_code(config)
        indexing = asyncio.create_task(pool.start()) if code_storage is None else None
        await asyncio.sleep(0)  # The process is started now: a thread that imports would delay it.
        services = await asyncio.to_thread(_import_services)
        _keep_modules()
        begin_imports(config, worker)
        return services(config, options, pool, indexing, code_storage, chaos)

    return await _run_services(make, options.presenter, pool.kill)


def run_services(make: Callable[[], Awaitable[HostServices]], presenter: Presenter) -> int:
    """Like `run_host`, for any services."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_run_services(make, presenter))


async def _run_services(
    make: Callable[[], Awaitable[HostServices]], presenter: Presenter, kill_made: Callable[[], None] = lambda: None
) -> int:
    """See `run_services`. `kill_made` is `HostServices.kill` until `make` has returned."""
    started_at = _program_start()
    services: HostServices | None = None
    stop_asked = asyncio.Event()
    restore = _on_signals(stop_asked.set, lambda: kill_made() if services is None else services.kill())
    try:
        services = await make()
        starting = asyncio.create_task(services.start(started_at))
        stopping = asyncio.create_task(stop_asked.wait())
        failing = asyncio.create_task(services.failure())
        try:
            await asyncio.wait((starting, stopping, failing), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                _keep_for_good()
                await asyncio.wait((stopping, failing), return_when=asyncio.FIRST_COMPLETED)
            if failing.done():
                raise failing.result()
            presenter.progress("Stopping; press Ctrl+C again to stop immediately.")
        finally:
            was_up = starting.done()
            for task in (starting, stopping, failing):
                task.cancel()
            await asyncio.gather(starting, stopping, failing, return_exceptions=True)
            grace = GRACE if was_up else 0.5
            async with _notice_of_wait(services, grace):
                stopped = await _within(LONGEST_STOP, services.stop(grace))
            if not stopped:
                services.kill()
    finally:
        restore()
    return EXIT_STOPPED


@contextlib.contextmanager
def _with_port(config: HostConfig) -> Generator[HostConfig]:
    """Replace port 0 by a free port, because functions may create URLs before the host listens."""
    if config.port:
        yield config
        return
    with ports.reserved(config.address) as port:
        yield pinned(config, port)


def _keep_modules() -> None:
    """Collect garbage from now on, but not in the existing objects: modules live as long as the process.

    Otherwise each full collection would visit all of them, a pause of 30 to 50 ms for every request in flight.
    """
    gc.freeze()
    gc.enable()


def _keep_for_good() -> None:
    """Exclude the services too, which live as long as the process.

    The last collection resets the collector's count, so that the next full one waits until the rest has grown by a
    quarter.
    """
    gc.collect()
    gc.freeze()
    gc.collect()


def _chaos_of(config: HostConfig) -> "Chaos | None":
    """The faults to inject. Raises ConfigurationError."""
    if (chosen := config.host.durable.chaos) is None:
        return None
    from durable_host.host.chosen_faults import chosen_faults

    return chosen_faults(config, chosen)


def _import_services() -> "type[Services]":
    late_certificates.import_aiohttp()
    from durable_host.host.composition import Services

    return Services


@contextlib.asynccontextmanager
async def _notice_of_wait(services: HostServices, grace: float) -> AsyncGenerator[None]:
    """If the stop takes long, log once what it waits for, and for how long."""

    async def log_later() -> None:
        await asyncio.sleep(SILENT_STOP)
        running = services.running_functions()
        _log.log(logging.WARNING if running else logging.INFO, "%s %s.", WAITING, waits_of_stop(running, grace))

    task = asyncio.create_task(log_later())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def waits_of_stop(running: Mapping[str, bool], grace: float) -> str:
    """What a silent stop waits for, and for how many seconds more. `running`: see `HostServices.running_functions`."""
    in_threads = [name for name, is_in_thread in running.items() if is_in_thread]
    others = [name for name, is_in_thread in running.items() if not is_in_thread and grace > SILENT_STOP]
    waits = [
        f"{limit - SILENT_STOP:.0f} s for running functions: {', '.join(names)}"
        for limit, names in ((grace, others), (LONGEST_STOP, in_threads))
        if names
    ]
    return "; up to ".join(waits) or f"{LONGEST_STOP - SILENT_STOP:.0f} s for the rest of the host"


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        _log.warning("The host did not stop within %.0f s; calls that are still running are aborted.", seconds)
        return False
    return True


def _on_signals(first: Callable[[], None], kill: Callable[[], None]) -> Callable[[], None]:
    """The first signal calls `first`, the second ends the process. Returns a function that restores the handlers."""
    loop = asyncio.get_running_loop()
    count = 0

    def received() -> None:
        nonlocal count
        count += 1
        if count == 1:
            first()
            return
        kill()
        _write_last_lines()
        os._exit(EXIT_STOPPED)

    if sys.platform == "win32":
        previous = signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(received))
        return lambda: signal.signal(signal.SIGINT, previous)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, received)

    def restore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    return restore


def _write_last_lines() -> None:
    """Write what has been logged and printed, unless nobody reads it."""

    def flush() -> None:
        for handler in logging.getLogger().handlers:
            handler.flush()
        sys.stdout.flush()

    flushing = threading.Thread(target=flush, daemon=True)
    with contextlib.suppress(RuntimeError):  # The system may allow no more threads.
        flushing.start()
        flushing.join(LAST_LINES)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _program_start() -> float:
    """The start of this process on the clock `time.monotonic`; now, if the system does not provide it."""
    now = time.monotonic()
    try:
        with open(f"/proc/{os.getpid()}/stat", encoding="ascii") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        with open("/proc/uptime", encoding="ascii") as file:
            age = float(file.read().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return now
    return now - age if 0 <= age < 60 else now
