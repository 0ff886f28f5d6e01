"""Runs one work item of an orchestration, from a batch of messages to a commit.

Source: docs/protocol/task-hub-storage-processing.md#message-batches,
    docs/protocol/task-hub-storage-processing.md#episode,
    docs/protocol/task-hub-storage-additions.md#order-of-a-commit
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from durable_host.clock import Clock
from durable_host.durable.engine.debt import OwedRows
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.episode import EpisodeOutcome, finish_episode, start_episode
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.renumbering import History, as_seen, is_begun_by_v1
from durable_host.durable.engine.sdk_generations import refusal_of
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import (
    ExecutionStarted,
    ExecutionTerminated,
    HistoryEvent,
    TimerFired,
)
from durable_host.durable.model.instance import InstanceState, InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime import tracing
from durable_host.durable.runtime.diagnostics import OTHER_GENERATION, VERSION_REJECTED, Diagnostics
from durable_host.durable.runtime.dropped_results import DroppedResults
from durable_host.durable.runtime.intake import Intake
from durable_host.durable.runtime.lost_work import LostWork
from durable_host.durable.runtime.orchestration_log import OrchestrationLog
from durable_host.durable.runtime.orchestrator_code import OrchestratorCode
from durable_host.durable.runtime.row_repair import repaired_row, running_row, terminated_row
from durable_host.durable.runtime.sdk_generation_change import started_by_v2, take_over
from durable_host.durable.runtime.session import InstanceSession, follow_timers, open_timers
from durable_host.durable.runtime.session_cache import SessionCache
from durable_host.durable.taskhub.port import Debt, EpisodeCommit, ReceivedMessage, TaskHub
from durable_host.durable.user_code import (
    NumberedAnswer,
    OrchestratorAnswer,
    OrchestratorTurn,
    UserCode,
    continues_core,
    continues_v1,
    numbers_its_actions,
)

_log = logging.getLogger("Host.Triggers.DurableTask")


class _Opened(NamedTuple):
    """The state to which a batch belongs.

    `refusal` says why the code must not continue it. `owed` is true when the last commit was not finished.
    """

    state: OrchestrationState
    refusal: str | None = None
    was_loaded: bool = False
    owed: bool = False


class OrchestrationRunner:
    """Runs work items. Errors are not caught: the caller releases the messages and drops the state."""

    def __init__(
        self,
        hub: TaskHub,
        code: UserCode,
        options: EngineOptions,
        clock: Clock,
        sessions: SessionCache,
        diagnostics: Diagnostics,
        lost: LostWork,
    ) -> None:
        self._hub = hub
        self._code = code
        self._options = options
        self._clock = clock
        self._sessions = sessions
        self._diagnostics = diagnostics
        self._orchestrators = OrchestratorCode(code, options, clock, diagnostics, lost)
        self._dropped = DroppedResults(diagnostics, clock)
        self._intake = Intake(hub, code, clock, self._dropped)
        self._orchestration_log = OrchestrationLog(code)

    async def run(self, session: InstanceSession, batch: list[ReceivedMessage]) -> None:
        """Process every message of the batch: on return, each one was consumed, discarded or released.

        Messages that are released earlier are removed from `batch`, so that the rest can be retried after an error.
        """
        await self._work(session, batch, None)

    async def fail(self, session: InstanceSession, batch: list[ReceivedMessage], reason: str) -> None:
        """Process the batch like `run`, but fail the instance with `reason` instead of running its code."""
        await self._work(session, batch, OrchestratorAnswer(steps=(), is_plain_failure=True, error=reason))

    async def _work(
        self, session: InstanceSession, batch: list[ReceivedMessage], failure: OrchestratorAnswer | None
    ) -> None:
        opened = await self._open(session, batch)
        if opened is None:
            return
        ending = None if opened.state.taken_over is None else opened.state.taken_over.ending
        work, useless = await self._intake.sort(session, opened.state, batch)
        state = session.state
        assert state is not None
        if state is not opened.state:
            ending = None  # A start in the batch has replaced the execution.
        elif opened.refusal is not None:
            if not any(isinstance(received.message.event, ExecutionTerminated) for received in work):
                self._refuse(session, state, opened.refusal)
                await self._hub.abandon([*work, *useless])
                return
            failure = OrchestratorAnswer(steps=(), is_plain_failure=True, error=opened.refusal)
        if work or state.is_cut_short:
            await self._run_episode(session, state, work, useless, failure or ending, was_loaded=opened.was_loaded)
            return
        if useless and (state.is_terminal or not state.is_started):
            useless = await self._intake.keep_for_start(session, batch, useless)
        if useless or opened.was_loaded:
            await self._discard(session, state, useless, was_loaded=opened.was_loaded, owed=opened.owed)

    async def _open(self, session: InstanceSession, batch: list[ReceivedMessage]) -> _Opened | None:
        """Return the state in memory, or load it. Returns None if the batch was released, because the code must not
        continue the instance.
        """
        state = session.state
        if state is not None:
            is_of_other_sdk = state.is_numbered is not numbers_its_actions(self._code)  # The app was reloaded.
            if not is_of_other_sdk and not self._intake.needs_reload(session, state, batch):
                return _Opened(state)
            self._sessions.drop_state(session)
        state, refusal = await self._load(session)
        owed = session.debt is not None
        if refusal is not None and not _ends_or_replaces(batch):
            self._refuse(session, state, refusal)
            await self._hub.abandon(batch)
            return None
        if session.debt is not None and refusal is None:
            await self._settle(session, state, session.debt)
        return _Opened(state, refusal, was_loaded=True, owed=owed)

    async def _run_episode(
        self,
        session: InstanceSession,
        state: OrchestrationState,
        work: Sequence[ReceivedMessage],
        useless: Sequence[ReceivedMessage],
        given: OrchestratorAnswer | NumberedAnswer | None,
        *,
        was_loaded: bool,
    ) -> None:
        """Run and commit an episode with the messages `work`. `given`, if set, replaces the code's first answer."""
        has_row = state.episodes > 1
        start = start_episode(
            state,
            [tracing.begun(self._as_sent_by_v2(received.message)) for received in work],
            now=self._clock.now(),
            options=self._options,
        )
        if start.rejected is not None:
            self._reject(session, state, start.rejected)
            await self._hub.abandon([*work, *useless])
            return
        if start.is_idle:
            await self._hub.discard([*work, *useless])
            return
        events = [received.message.event for index, received in enumerate(work) if index not in start.dropped]
        self._orchestration_log.received(state, events)
        outcome = await self._episode(state, start.turn, given)
        if was_loaded:
            outcome = _with_status(outcome, state, has_row=has_row)
        await self._commit(session, state, outcome, events, [*work, *useless])

    async def _load(self, session: InstanceSession) -> tuple[OrchestrationState, str | None]:
        """Return the state, and the reason if the code of this app must not continue it."""
        loaded = await self._hub.load_history(session.instance_id)
        is_numbered = numbers_its_actions(self._code)
        is_of_core = continues_core(self._code)
        history = as_seen(loaded.events) if is_numbered and not is_of_core else History(loaded.events)
        state = OrchestrationState.from_history(
            session.instance_id, history.events, is_numbered=is_numbered, older=history.older
        )
        refusal = None if is_of_core else refusal_of(state)
        if continues_v1(self._code) and is_begun_by_v1(loaded.events):
            has_code = self._code.has_orchestrator(state.name)
            taken = await take_over(session.instance_id, loaded.events, self._orchestrators.run, has_code=has_code)
            state, refusal = (taken, None) if isinstance(taken, OrchestrationState) else (state, taken)
        session.state, session.checkpoint = state, loaded.checkpoint
        session.debt = loaded.debt
        session.timers = open_timers(loaded.events)
        if state.is_started and not state.is_terminal:
            self._sessions.loaded(session, loaded.events[-1].timestamp)
        return state, refusal

    def _as_sent_by_v2(self, message: TaskMessage) -> TaskMessage:
        return started_by_v2(message) if continues_v1(self._code) else message

    async def _settle(self, session: InstanceSession, state: OrchestrationState, debt: Debt) -> None:
        """Send the messages that the last commit of an earlier process owes. The code is run to get inputs."""
        assert session.checkpoint is not None
        messages = list(debt.messages)
        ordinals = debt.ordinals if debt.execution_id == state.execution_id else range(0)
        owed = OwedRows(state, debt.first_ordinal, ordinals)
        if owed.rows:
            messages += await self._orchestrators.messages_of(owed, state)
        await self._hub.settle(session.instance_id, session.checkpoint, messages)
        session.debt = None
        if messages:
            _log.info(
                "The last commit of instance '%s' was interrupted when the host stopped: %d message%s sent now.",
                session.instance_id,
                len(messages),
                " is" if len(messages) == 1 else "s are",
                extra={"instance_id": session.instance_id},
            )

    async def _episode(
        self,
        state: OrchestrationState,
        turn: OrchestratorTurn | None,
        given: OrchestratorAnswer | NumberedAnswer | None,
    ) -> EpisodeOutcome:
        """Run the code, and continue with the next generation while it continues as new.

        If `given` is set, it is used in place of the code's first answer.
        """
        while True:
            answer = given if given is not None else await self._orchestrators.run(turn) if turn is not None else None
            given = None
            outcome = finish_episode(
                state, answer, now=self._clock.now(), new_id=_new_id, code=self._code, options=self._options
            )
            if outcome.next_turn is None:
                return outcome
            if turn is not None:
                self._code.forget(turn.instance_id, turn.execution_id)
            turn = outcome.next_turn
            await asyncio.sleep(0)

    async def _commit(
        self,
        session: InstanceSession,
        state: OrchestrationState,
        outcome: EpisodeOutcome,
        events: Sequence[HistoryEvent],
        consumed: Sequence[ReceivedMessage],
    ) -> None:
        session.checkpoint = await self._hub.commit(
            EpisodeCommit(
                instance_id=session.instance_id,
                execution_id=outcome.execution_id,
                checkpoint=session.checkpoint,
                first_ordinal=outcome.first_ordinal,
                events=outcome.new_events,
                outbound=outcome.outbound,
                update=outcome.update if outcome.row_changed else None,
                consumed=consumed,
                replaced_execution_id=outcome.replaced_execution_id,
            )
        )
        self._diagnostics.report_all(outcome.diagnostics)
        self._orchestration_log.committed(state, outcome, events)
        replaced, replaced_timers = outcome.replaced_execution_id, session.timers
        if outcome.first_ordinal == 0:
            session.timers = set()
        follow_timers(session.timers, list(outcome.new_events))
        if outcome.is_terminal:
            tracing.ended(state.started, outcome.new_events)
            # Only at the end, because code may still wait for a timer that it has cancelled.
            left, session.timers = session.timers, set()
            self._sessions.ended(session, outcome.update)
            if left:
                await self._hub.withdraw_timers(session.instance_id, outcome.execution_id, left)
        else:
            self._sessions.committed(session, outcome.update, is_written=outcome.row_changed)
        if replaced is not None and replaced_timers:
            await self._hub.withdraw_timers(session.instance_id, replaced, replaced_timers)
        await self._withdraw_stale_timers(session.instance_id, outcome)

    async def _withdraw_stale_timers(self, instance_id: str, outcome: EpisodeOutcome) -> None:
        """Withdraw timers of executions that began and ended within this work item."""
        stale: dict[str, set[int]] = {}
        for message in outcome.outbound:
            event, target = message.event, message.target
            if isinstance(event, TimerFired) and target.execution_id not in (None, outcome.execution_id):
                stale.setdefault(str(target.execution_id), set()).add(event.timer_id)
        for execution_id, timers in stale.items():
            await self._hub.withdraw_timers(instance_id, execution_id, timers)

    async def _discard(
        self,
        session: InstanceSession,
        state: OrchestrationState,
        useless: Sequence[ReceivedMessage],
        *,
        was_loaded: bool,
        owed: bool,
    ) -> None:
        """Discard messages that no execution can use, after writing what they change in the instance row.

        `owed` is true when the last commit was not finished.
        """
        update, row = await self._row_update(session, state, useless, was_loaded=was_loaded, owed=owed)
        if update is not None:
            await self._hub.commit(
                EpisodeCommit(
                    instance_id=session.instance_id,
                    execution_id=update.execution_id,
                    checkpoint=session.checkpoint,
                    first_ordinal=len(state.history),
                    events=(),
                    outbound=(),
                    update=update,
                    consumed=useless,
                    expected_row=row,
                )
            )
        elif useless:
            await self._hub.discard(useless)
        _log.debug("%d message(s) for instance '%s' were discarded.", len(useless), session.instance_id)
        if state.is_terminal:
            self._dropped.report_late(state, (one.message for one in useless if not session.knows(one)))
        if state.is_terminal or not state.is_started:
            self._orchestration_log.found_ended(state)
            self._sessions.ended(session, update)

    async def _row_update(
        self,
        session: InstanceSession,
        state: OrchestrationState,
        useless: Sequence[ReceivedMessage],
        *,
        was_loaded: bool,
        owed: bool,
    ) -> tuple[InstanceUpdate | None, InstanceState | None]:
        """Return what the row lacks, or None if it is correct, and the row that was read, if it was read."""
        row: InstanceState | None = None
        events = [received.message.event for received in useless]
        ends = [one for one in events if isinstance(one, ExecutionTerminated)]
        if ends and (not state.is_started or state.is_terminal):
            row = await self._read_row(session)
            if row is not None and (not state.is_started or row.execution_id != state.execution_id):
                update = terminated_row(row, ends[-1], now=self._clock.now())
                if update is not None:
                    return update, row
        is_start = any(isinstance(one, ExecutionStarted) for one in events)
        if not state.is_started or not (was_loaded or is_start):
            return None, row
        row = await self._read_row(session)
        has_begun = row is not None and (
            session.has_begun(row) or any(_starts(one, row) and session.knows(one) for one in useless)
        )
        update = repaired_row(row, state, has_begun=has_begun)
        is_doubtful = owed or any(session.knows(one) for one in useless)
        if update is None and is_doubtful and not state.is_terminal:
            update = running_row(state)  # The row of a commit may be missing, and nothing shows that.
        if update is not None:
            custom_status = await self._orchestrators.custom_status(state)
            if custom_status is not None:
                update = msgspec.structs.replace(update, custom_status=custom_status)
        return update, row

    async def _read_row(self, session: InstanceSession) -> InstanceState | None:
        return await self._hub.get_instance(session.instance_id, fetch_input=False, fetch_output=False)

    def _reject(self, session: InstanceSession, state: OrchestrationState, text: str) -> None:
        self._leave_alone(session, state, VERSION_REJECTED, text)

    def _refuse(self, session: InstanceSession, state: OrchestrationState, text: str) -> None:
        self._leave_alone(session, state, OTHER_GENERATION, text)

    def _leave_alone(self, session: InstanceSession, state: OrchestrationState, code: str, text: str) -> None:
        """Report once that this host does not run the instance, and why."""
        finding = Diagnostic(
            code=code,
            instance_id=session.instance_id,
            severity="warning",
            text=text,
            timestamp=self._clock.now(),
            function=state.name,
        )
        self._sessions.drop_state(session)
        self._diagnostics.report_once(finding)


def _ends_or_replaces(batch: Sequence[ReceivedMessage]) -> bool:
    """True when a client terminates or restarts the instance, which does not need its code."""
    return any(isinstance(one.message.event, ExecutionTerminated | ExecutionStarted) for one in batch)


def _starts(received: ReceivedMessage, row: InstanceState) -> bool:
    """True when the message is the start of the execution in the row."""
    event = received.message.event
    return isinstance(event, ExecutionStarted) and event.orchestration_instance.execution_id == row.execution_id


def _with_status(outcome: EpisodeOutcome, state: OrchestrationState, *, has_row: bool) -> EpisodeOutcome:
    """Add the status to the first commit after a load, because a crash may have prevented the last row write.

    Without `has_row` that write may have been the first one, so the whole row is written.
    """
    update = outcome.update
    if update.started is not None or (has_row and update.runtime_status is not None):
        return outcome
    status = state.status if update.runtime_status is None else update.runtime_status
    update = msgspec.structs.replace(
        update, runtime_status=status, started=update.started if has_row else state.started
    )
    return msgspec.structs.replace(outcome, update=update, row_changed=True)


def _new_id() -> str:
    return uuid.uuid4().hex
