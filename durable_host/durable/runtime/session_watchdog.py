"""Reports instances that wait unusually long for their work item to begin or to end."""

import asyncio
import time
from collections.abc import Callable, Iterable

from durable_host.clock import Clock
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.runtime.diagnostics import ABNORMALLY_LONG, Diagnostics
from durable_host.durable.runtime.session import InstanceSession

LIMIT_SECONDS = 60.0
_CHECK_SECONDS = 15.0

LONG_RUN = "an orchestrator must not block or compute for long"
"""Appended to the finding about a work item that has been running for too long."""


class SessionWatchdog:
    """Checks all sessions every few seconds of real time. Each problem is reported once while it lasts.

    `is_in_code` says whether code of an orchestrator or entity runs for an instance; other work items wait for storage.
    """

    def __init__(
        self,
        sessions: Callable[[], Iterable[InstanceSession]],
        clock: Clock,
        diagnostics: Diagnostics,
        *,
        is_in_code: Callable[[str], bool],
        limit: float = LIMIT_SECONDS,
        long_run: str = LONG_RUN,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._diagnostics = diagnostics
        self._is_in_code = is_in_code
        self._limit = limit
        self._long_run = long_run
        self._reported: set[str] = set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            self.check(time.monotonic())

    def check(self, now: float) -> None:
        """Check once. `now` is a reading of the monotonic clock."""
        late = {one.instance_id: one for one in self._sessions() if one.is_scheduled and now - one.since > self._limit}
        for instance_id in self._reported - late.keys():
            self._diagnostics.forget(ABNORMALLY_LONG, instance_id)
        self._reported = set(late)
        for session in late.values():
            self._diagnostics.report_once(self._finding(session, now))

    def _finding(self, session: InstanceSession, now: float) -> Diagnostic:
        seconds = now - session.since
        if not session.is_running:
            text = (
                f"{len(session.mailbox)} message(s) have waited for a free slot, or for storage, for {seconds:.0f} s."
            )
        elif self._is_in_code(session.instance_id):
            text = f"its work item has been running for {seconds:.0f} s; {self._long_run}."
        else:
            text = f"its work item has been running for {seconds:.0f} s and waits for storage."
        return Diagnostic(
            code=ABNORMALLY_LONG,
            instance_id=session.instance_id,
            severity="warning",
            text=text,
            timestamp=self._clock.now(),
            function=session.state.name if session.state is not None else "",
        )
