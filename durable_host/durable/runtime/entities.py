"""Runs one work item of an entity: receives messages and commits batches of operations until the entity is idle.

Source: docs/protocol/task-hub-storage-processing.md#executable-check,
    docs/protocol/task-hub-storage-entities.md#entity-batch,
    docs/protocol/durable-entities.md#entity-scheduler,
    docs/protocol/durable-entities.md#batches-that-fail
"""

import logging
import uuid
from collections.abc import Sequence

from durable_host.clock import Clock
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.entity import EntityExecution, EntityOptions, finish_batch, row_of, start_batch
from durable_host.durable.engine.entity_end import TERMINATED, dropped, end_of, ended_row, terminated
from durable_host.durable.engine.entity_failures import invocation_failed, unknown_entity
from durable_host.durable.engine.missing_functions import reason_not_served
from durable_host.durable.model.events import EventRaised, ExecutionTerminated
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.runtime import tracing
from durable_host.durable.runtime.diagnostics import Diagnostics
from durable_host.durable.runtime.lost_work import LostWork, WorkItemGivenUp, WorkItemId
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.runtime.session_cache import SessionCache
from durable_host.durable.taskhub.port import EpisodeCommit, ReceivedMessage, TaskHub
from durable_host.durable.user_code import EntityAnswer, EntityBatch, UserCode, numbers_its_actions

_log = logging.getLogger("Host.Triggers.DurableTask")


class EntityRunner:
    """Runs work items. Errors are not caught: the caller releases the messages and drops the state."""

    def __init__(
        self,
        hub: TaskHub,
        code: UserCode,
        options: EntityOptions,
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
        self._lost = lost

    async def run(self, session: InstanceSession, batch: list[ReceivedMessage]) -> None:
        """Process every message of the batch. Consumed messages are removed from it as they are committed."""
        await self._work(session, batch, None)

    async def fail(self, session: InstanceSession, batch: list[ReceivedMessage], reason: str) -> None:
        """Process the batch like `run`, but fail its operations with `reason` instead of running the entity's code."""
        await self._work(session, batch, reason)

    async def _work(self, session: InstanceSession, batch: list[ReceivedMessage], failure: str | None) -> None:
        execution = session.entity
        was_loaded = execution is None
        if execution is None:
            execution = await self._load(session)
        await self._discard_copies(session, execution, batch, was_loaded=was_loaded)
        if execution.end is not None:
            await self._discard_after_end(session, execution, batch)
            return
        # A termination in the batch that starts the entity cannot refer to it. 2.x entities ignore terminations.
        is_ended_by_it = execution.started is not None and not numbers_its_actions(self._code)
        await self._discard_unsupported(
            session, batch, (EventRaised, ExecutionTerminated) if is_ended_by_it else EventRaised
        )
        ends = [one for one in batch if isinstance(one.message.event, ExecutionTerminated)]
        execution = await self._operate(session, execution, batch, failure)
        if ends:
            await self._terminate(session, execution, ends)
            batch.clear()

    async def _operate(
        self, session: InstanceSession, execution: EntityExecution, batch: list[ReceivedMessage], failure: str | None
    ) -> EntityExecution:
        """Run the operations in turns, each with its own commit. Return the entity's execution after the last one."""
        work = [one for one in batch if isinstance(one.message.event, EventRaised)]
        if not work:
            return execution
        events = [received.message.event for received in work]
        messages = [event for event in events if isinstance(event, EventRaised)]
        while True:
            turn = start_batch(execution, messages, now=self._clock.now(), options=self._options)
            answer: EntityAnswer | None = None
            if turn.batch is not None and failure is not None:
                answer = invocation_failed(turn.batch, failure)
            elif turn.batch is not None:
                answer = await self._run_code(session.instance_id, turn.batch)
            outcome = finish_batch(
                turn,
                answer,
                now=self._clock.now(),
                new_id=_new_id,
                with_failure_details=numbers_its_actions(self._code),
            )
            session.checkpoint = await self._hub.commit(
                EpisodeCommit(
                    instance_id=session.instance_id,
                    execution_id=outcome.execution_id,
                    checkpoint=session.checkpoint,
                    first_ordinal=0,
                    events=outcome.new_events,
                    outbound=outcome.outbound,
                    update=outcome.update,
                    consumed=work,
                    replaced_execution_id=outcome.replaced_execution_id,
                )
            )
            batch[:] = [one for one in batch if one not in work]
            session.entity = execution = outcome.execution
            self._diagnostics.report_all(outcome.diagnostics)
            self._sessions.committed(session, outcome.update, is_written=True)
            if not outcome.more:
                return execution
            work, messages = [], []

    async def _terminate(
        self, session: InstanceSession, execution: EntityExecution, ends: list[ReceivedMessage]
    ) -> None:
        now, termination = self._clock.now(), ends[-1].message.event
        assert isinstance(termination, ExecutionTerminated)
        events = end_of(execution, termination, now=now)
        update = ended_row(execution)
        await self._hub.commit(
            EpisodeCommit(
                instance_id=session.instance_id,
                execution_id=execution.execution_id or "",
                checkpoint=session.checkpoint,
                first_ordinal=execution.rows,
                events=events,
                outbound=(),
                update=update,
                consumed=ends,
            )
        )
        self._sessions.ended(session, update)
        self._diagnostics.report(terminated(session.instance_id, now))

    async def _discard_after_end(
        self, session: InstanceSession, execution: EntityExecution, batch: list[ReceivedMessage]
    ) -> None:
        """Discard messages for an ended entity. End the session, because the entity may be purged and start again."""
        operations = [one.message.event for one in batch if isinstance(one.message.event, EventRaised)]
        row = await self._hub.get_instance(session.instance_id, fetch_input=False, fetch_output=False)
        if row is not None and row.runtime_status.is_terminal:
            await self._hub.discard(batch)
        else:
            await self._write_row(session, execution, batch, row)
        batch.clear()
        self._sessions.ended(session, None)
        if operations:
            self._diagnostics.report(dropped(session.instance_id, operations, self._clock.now()))

    async def _load(self, session: InstanceSession) -> EntityExecution:
        loaded = await self._hub.load_history(session.instance_id)
        session.entity = EntityExecution.from_history(session.instance_id, loaded.events)
        session.checkpoint = loaded.checkpoint
        if loaded.debt is not None and loaded.checkpoint is not None:
            await self._hub.settle(session.instance_id, loaded.checkpoint, loaded.debt.messages)
        return session.entity

    async def _discard_copies(
        self, session: InstanceSession, execution: EntityExecution, batch: list[ReceivedMessage], *, was_loaded: bool
    ) -> None:
        """Discard messages that an earlier batch consumed, and write the row if that batch may not have done so."""
        copies = [one for one in batch if session.knows(one)]
        if not copies and (batch or not was_loaded):
            return
        if was_loaded and execution.started is not None:
            row = await self._hub.get_instance(session.instance_id, fetch_input=False, fetch_output=False)
            await self._write_row(session, execution, copies, row)
        else:
            await self._hub.discard(copies)
        batch[:] = [one for one in batch if one not in copies]

    async def _write_row(
        self,
        session: InstanceSession,
        execution: EntityExecution,
        consumed: Sequence[ReceivedMessage],
        expected_row: InstanceState | None,
    ) -> None:
        """Write the row, which an earlier commit may have missed. `expected_row` is the row that was found."""
        await self._hub.commit(
            EpisodeCommit(
                instance_id=session.instance_id,
                execution_id=execution.execution_id or "",
                checkpoint=session.checkpoint,
                first_ordinal=0,
                events=(),
                outbound=(),
                update=row_of(execution),
                consumed=consumed,
                expected_row=expected_row,
            )
        )

    async def _discard_unsupported(
        self, session: InstanceSession, batch: list[ReceivedMessage], kinds: type | tuple[type, ...]
    ) -> None:
        unsupported = [one for one in batch if not isinstance(one.message.event, kinds)]
        if not unsupported:
            return
        await self._hub.discard(unsupported)
        batch[:] = [one for one in batch if one not in unsupported]
        for one in unsupported:
            _log.warning(
                "%s: The entity '%s' does not support %s; the message is discarded.",
                TERMINATED,
                session.instance_id,
                one.message.event.event_name,
                extra={"instance_id": session.instance_id},
            )

    async def _run_code(self, instance_id: str, batch: EntityBatch) -> EntityAnswer:
        """Run the operations and return the answer. Entity code runs nowhere else."""
        if not self._code.has_entity(batch.name):
            reason = reason_not_served(batch.name, self._code.entity_names())
            no_such = f"There is no entity function '{batch.name}'."
            self._diagnostics.report(
                Diagnostic(
                    code=codes.MISSING_FUNCTION,
                    instance_id=instance_id,
                    severity="error",
                    text=f"{reason or no_such} The operations of this batch fail.",
                    timestamp=self._clock.now(),
                    function=batch.name,
                )
            )
            return unknown_entity(batch, self._code.entity_names())
        with tracing.entity(instance_id, batch) as traced:
            item = WorkItemId("entity", batch.name, instance_id)
            try:
                answer = await self._lost.run(item, lambda code: code.run_entity(batch, trace=traced.context))
            except WorkItemGivenUp as given_up:
                answer = invocation_failed(batch, given_up.text)
            return traced.entity(answer)


def _new_id() -> str:
    return uuid.uuid4().hex
