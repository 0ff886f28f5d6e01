"""Keeps one worker process alive: starts it, and restarts it with back-off if it dies.

Source: docs/protocol/functions-host-worker.md#worker-crashes
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

import msgspec

from durable_host.invocation.errors import InterpreterUnusable, WorkerStartFailed
from durable_host.invocation.language_worker import LanguageWorker
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.worker_exit import describe_exit
from durable_host.invocation.worker_options import DebuggerAddress, WorkerOptions
from durable_host.invocation.worker_process import WorkerProcess
from durable_host.supervision import keep_running

LOG = logging.getLogger("Host.Worker")
STILL_LOADING_AFTER = 10.0
SHORTEST_WAIT = 0.25
LONGEST_WAIT = 30.0
LONGEST_WAIT_AFTER_CALLS = 2.0
RETIRE_GRACE = 2.0
FORGIVEN_AFTER = 1800.0
CRASHES_BEFORE_ALARM = 3


class CrashBudget:
    """Delays before restarts, which double with every crash in the last half hour. Shared by the slots of a pool.

    After a crash that a call may have caused, the next process is likely to work, so the delay stays short. Otherwise a
    single bad call, which is not retried forever, would delay all others.
    """

    def __init__(self, process_count: int) -> None:
        self._allowed = CRASHES_BEFORE_ALARM * process_count
        self._crashes: deque[float] = deque()

    def crashed(self, *, in_calls: bool = False) -> tuple[float, bool]:
        """The delay before the restart in seconds, and whether the budget has just been used up."""
        now = time.monotonic()
        while self._crashes and now - self._crashes[0] > FORGIVEN_AFTER:
            self._crashes.popleft()
        self._crashes.append(now)
        count = len(self._crashes)
        longest = LONGEST_WAIT_AFTER_CALLS if in_calls else LONGEST_WAIT
        return min(longest, SHORTEST_WAIT * 2.0 ** min(count - 1, 20)), count == self._allowed + 1


class WorkerSlot:
    """One place in the pool. `process` accepts calls; None while there is none.

    A debugger can attach to the process of a slot that `is_debugged`.
    """

    def __init__(
        self, options: WorkerOptions, budget: CrashBudget, changed: Callable[[], None], *, is_debugged: bool = False
    ) -> None:
        self._options = options
        self._budget = budget
        self._changed = changed
        self._debugger = options.debugger if is_debugged else None
        self._is_stopping = False
        self._tried = asyncio.Event()
        self._keepers: list[asyncio.Task[None]] = []
        self._owned: LanguageWorker | None = None
        self.process: LanguageWorker | None = None

    async def start(self) -> IndexResult:
        """Start the process and load the app in it. Raises InterpreterUnusable, WorkerStartFailed.

        If the app does not load, `failure` of the result is set, and the slot is empty.
        """
        process, index = await self._launch(self._debugger)
        if index.failure is not None:
            await process.stop(0)
            return index
        self._take(process)
        self._begin_to_keep()
        return index

    async def begin(self) -> None:
        """Start the process, and keep retrying in the background if it fails. Returns after the first attempt."""
        if not self._is_stopping:
            self._begin_to_keep()
            await self._tried.wait()

    @property
    def pid(self) -> int | None:
        """The ID of the running process, even if it accepts no more calls."""
        owned = self._owned
        return None if owned is None or owned.exited.done() else owned.pid

    def open_debugger(self) -> None:
        """Make the process listen for a debugger, if the options have one."""
        self._debugger = self._options.debugger
        if self._debugger is not None and self.process is not None:
            self.process.open_debugger(self._debugger)

    async def retire(self) -> None:
        """Accept no new calls, let the running ones finish, then end the process. `stop` may cut this short."""
        self._is_stopping = True
        self.process = None
        if self._owned is not None:
            await self._owned.wait_idle()
        await self.stop(RETIRE_GRACE)

    async def stop(self, grace: float) -> None:
        """End the process, and kill it if it still runs after `grace` seconds."""
        self._is_stopping = True
        self._tried.set()
        self.process = None
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._owned is not None:
            await (self._owned.stop(grace) if self._owned.indexed.done() else self._owned.destroy())

    async def _launch(self, debugger: DebuggerAddress | None) -> tuple[LanguageWorker, IndexResult]:
        """Start a process, which the slot owns from now on, and load the app. See `load`."""
        start = self._options.kind.own_process or WorkerProcess.start
        self._owned = process = await start(self._options, debugger)
        return process, await load(self._options, process, debugger)

    def _take(self, process: LanguageWorker) -> None:
        self.process = self._owned = process
        self._tried.set()
        self._changed()

    def _begin_to_keep(self) -> None:
        self._keepers.append(asyncio.create_task(keep_running("monitoring of a worker process", self._keep, LOG)))
        if self._options.kind.is_watched_from_outside and self._options.debugger is None:
            from durable_host.invocation.blocked_loop import watch_loop

            watching = keep_running("monitoring of an event loop", lambda: watch_loop(self._pipe_worker), LOG)
            self._keepers.append(asyncio.create_task(watching))

    def _pipe_worker(self) -> WorkerProcess | None:
        return self.process if isinstance(self.process, WorkerProcess) else None

    async def _keep(self) -> None:
        while True:
            is_crash = in_calls = False
            if (process := self.process) is not None:
                code = await asyncio.shield(process.exited)
                if self._is_stopping:
                    return
                self.process = None
                is_crash, in_calls = not process.is_given_up, process.ended_in_calls
                if is_crash:
                    self._report(process, code)
            self._take(await self._start_again(is_crash=is_crash, in_calls=in_calls))

    def _report(self, process: LanguageWorker, code: int) -> None:
        lines = "".join(f"\n  {line}" for line in process.last_stderr[-3:])
        LOG.error("%s exited with %s%s", self._options.executable, describe_exit(code), lines)
        if (hint := self._options.kind.ending_hint(code, "\n".join(process.last_stderr))) is not None:
            LOG.error("%s", hint)

    async def _start_again(self, *, is_crash: bool, in_calls: bool) -> LanguageWorker:
        """Restart the process. Wait only after crashes, not after it was ended because of a function's time-out."""
        while True:
            if is_crash:
                self._tried.set()
                await self._wait_after_crash(in_calls=in_calls)
            is_crash, in_calls = True, False
            try:
                process, index = await self._launch(self._debugger_now())
            except (InterpreterUnusable, WorkerStartFailed) as error:
                LOG.error("%s %s", error.message, error.cause or "")
                continue
            if index.failure is None:
                LOG.info("Worker process started and initialized.")
                return process
            await process.stop(0)
            LOG.error("A worker process has not loaded the app and is being restarted: %s", index.failure)

    async def _wait_after_crash(self, *, in_calls: bool) -> None:
        wait, is_used_up = self._budget.crashed(in_calls=in_calls)
        if is_used_up:
            LOG.critical(
                "The worker process keeps dying. Calls fail until it stays up; it is restarted after increasing "
                "delays (at most %.0f s; %.0f s if it dies in a call). The lines above show why it stops.",
                LONGEST_WAIT,
                LONGEST_WAIT_AFTER_CALLS,
            )
        await asyncio.sleep(wait)

    def _debugger_now(self) -> DebuggerAddress | None:
        """The debugger for a restart, without waiting for an editor, because calls wait for the process."""
        return None if self._debugger is None else msgspec.structs.replace(self._debugger, wait=False)


async def load(options: WorkerOptions, process: LanguageWorker, debugger: DebuggerAddress | None) -> IndexResult:
    """Wait until the process has loaded the app. Otherwise it ends. Raises InterpreterUnusable, WorkerStartFailed."""
    try:
        await _wait_loaded(process, waits_for_debugger=debugger is not None and debugger.wait)
        if process.indexed.done() and not process.indexed.cancelled():
            return process.read_index()
    except BaseException:
        await process.destroy()
        raise
    raise _start_error(options, process, process.exited.result())


async def _wait_loaded(process: LanguageWorker, *, waits_for_debugger: bool) -> None:
    """Wait until the process has loaded the app, or has ended. Raises WorkerStartFailed."""
    if waits_for_debugger:
        await asyncio.wait((process.indexed, process.exited), return_when=asyncio.FIRST_COMPLETED)
        return
    ends = asyncio.create_task(asyncio.wait((process.indexed, process.exited), return_when=asyncio.FIRST_COMPLETED))
    try:
        await asyncio.wait((ends,), timeout=STILL_LOADING_AFTER)
        if not ends.done():
            limit = process.start_seconds
            why = "" if limit is None else ": its top-level code is still running"
            LOG.warning("The app is still loading after %.0f s%s.", STILL_LOADING_AFTER, why)
            await asyncio.wait((ends,), timeout=None if limit is None else limit - STILL_LOADING_AFTER)
        if not ends.done():
            raise WorkerStartFailed(
                f"The app has not loaded within {process.start_seconds:.0f} s.",
                cause="Its top-level code is still running.",
                remedy="Move slow work (network calls, large models) out of the modules into the functions.",
            )
    finally:
        ends.cancel()


def _start_error(options: WorkerOptions, process: LanguageWorker, code: int) -> Exception:
    lines = "\n".join(process.last_stderr)
    if (refused := options.kind.refused(options.executable, code, lines)) is not None:
        return refused
    return WorkerStartFailed(
        f"The worker process ended with {describe_exit(code)} while it loaded the app.",
        cause=f"Its last lines on stderr:\n{lines}" if lines else None,
        remedy=options.kind.ending_hint(code, lines) or options.kind.load_by_hand(options.executable),
    )
