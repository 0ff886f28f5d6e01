"""Handles work items that fail: retries them or releases their messages."""

import logging
from collections.abc import Awaitable, Callable

from durable_host.clock import Clock
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.faults import AnswerMismatch
from durable_host.durable.runtime.copies import split_copies
from durable_host.durable.runtime.diagnostics import REFUSED, UNREADABLE_HISTORY, WORK_ITEM_FAILED, Diagnostics
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.runtime.session_cache import SessionCache
from durable_host.durable.runtime.storage_faults import MAX_REFUSALS, StorageFaults
from durable_host.durable.taskhub.port import (
    CommitConflict,
    ReceivedMessage,
    TaskHub,
    TaskHubRefused,
    TaskHubUnavailable,
    UnreadableHistory,
)
from durable_host.durable.user_code import WorkItemAborted

_log = logging.getLogger("Host.Triggers.DurableTask")

ABORT_DELAY = 0.5
Fail = Callable[[InstanceSession, list[ReceivedMessage], str], Awaitable[None]]
Run = Callable[[InstanceSession, list[ReceivedMessage]], Awaitable[None]]


class GuardedWorkItem:
    """A `dispatcher.RunWorkItem` that drops the session's state after any failure and retries or releases the messages.

    Aborted work items are released and run again soon. If storage is unavailable, the batch is kept and retried with
    back-off. If storage rejects a request, it is retried a few times; then `fail` runs if the data is rejected,
    otherwise the batch is released. If the history is unreadable or the host itself fails, the batch is released with a
    delay that grows with each delivery, and an error is logged.
    """

    def __init__(
        self,
        run: Run,
        fail: Fail,
        hub: TaskHub,
        clock: Clock,
        sessions: SessionCache,
        diagnostics: Diagnostics,
        faults: StorageFaults,
    ) -> None:
        self._run = run
        self._fail = fail
        self._hub = hub
        self._clock = clock
        self._sessions = sessions
        self._diagnostics = diagnostics
        self._faults = faults

    async def __call__(self, session: InstanceSession, batch: list[ReceivedMessage]) -> float | None:
        return await self._guarded(session, batch, self._run_once_each)

    async def _run_once_each(self, session: InstanceSession, batch: list[ReceivedMessage]) -> None:
        once, copies = split_copies(batch)
        if copies:
            await self._hub.discard(copies)
        batch[:] = once
        await self._run(session, batch)

    async def _guarded(self, session: InstanceSession, batch: list[ReceivedMessage], run: Run) -> float | None:
        try:
            await run(session, batch)
        except WorkItemAborted as aborted:
            _log.info("The work item of '%s' runs again: %s", session.instance_id, aborted)
            self._sessions.drop_state(session)
            return await self._release(session, batch, ABORT_DELAY)
        except CommitConflict as conflict:
            _log.info("The work item of '%s' was not committed and runs again: %s", session.instance_id, conflict)
            self._sessions.drop_state(session)
            if not batch:
                return ABORT_DELAY  # Woken without a message, so no message brings it back.
            return await self._release(session, batch, conflict.delay)
        except TaskHubRefused as error:
            session.failures += 1
            self._faults.failed(session.instance_id, error)
            if session.failures < MAX_REFUSALS:
                self._sessions.drop_state(session)
                return self._faults.delay(session.failures)
            return await self._handle_refusal(session, batch, error, may_fail=run == self._run_once_each)
        except TaskHubUnavailable as error:
            self._sessions.drop_state(session)
            session.failures += 1
            self._faults.failed(session.instance_id, error)
            return self._faults.delay(session.failures)
        except AnswerMismatch as mismatch:
            self._sessions.drop_state(session)
            session.failures += 1
            if session.failures == 1:
                _log.info("The orchestrator of '%s' is replayed from its history: %s", session.instance_id, mismatch)
                return 0.0
            return await self._report_and_release(session, batch, WORK_ITEM_FAILED, mismatch)
        except UnreadableHistory as error:
            return await self._report_and_release(session, batch, UNREADABLE_HISTORY, error)
        except Exception as error:
            _log.exception("The work item of '%s' failed in the host", session.instance_id)
            return await self._report_and_release(session, batch, WORK_ITEM_FAILED, error)
        if session.failures:
            session.failures = 0
        self._faults.recovered(session.instance_id)
        return None

    async def _handle_refusal(
        self, session: InstanceSession, batch: list[ReceivedMessage], error: TaskHubRefused, *, may_fail: bool
    ) -> float | None:
        """Handle a request that storage has rejected repeatedly."""
        fail = self._fail
        if not may_fail or not error.is_about_data:
            return await self._report_and_release(session, batch, REFUSED, error)
        self._sessions.drop_state(session)
        return await self._guarded(session, batch, lambda session, batch: fail(session, batch, str(error)))

    async def _report_and_release(
        self, session: InstanceSession, batch: list[ReceivedMessage], code: str, error: Exception
    ) -> float | None:
        state = session.state
        self._sessions.drop_state(session)
        session.failures = 0
        self._faults.forget(session.instance_id)
        self._diagnostics.report(
            Diagnostic(
                code=code,
                instance_id=session.instance_id,
                severity="error",
                text=f"{type(error).__name__}: {error} The instance will be retried later.",
                timestamp=self._clock.now(),
                function=state.name if state is not None else "",
            )
        )
        return await self._release(session, batch, None)

    async def _release(
        self, session: InstanceSession, batch: list[ReceivedMessage], delay: float | None
    ) -> float | None:
        if not batch:
            return delay  # Woken without a message, so no message brings it back.
        try:
            await self._hub.abandon(batch, delay=delay)
        except TaskHubUnavailable as error:
            self._faults.failed(session.instance_id, error)
            return self._faults.delay(3)
        except Exception:
            _log.exception("Messages of an instance could not be released to the task hub and are processed again")
            return self._faults.delay(3)
        return None
