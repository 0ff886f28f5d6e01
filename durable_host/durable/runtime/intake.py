"""Sorts the messages of a batch into those to process, defer or discard in the instance's current state.

Source: docs/protocol/task-hub-storage-processing.md#message-batches,
    docs/protocol/task-hub-storage-processing.md#early-results,
    docs/protocol/task-hub-storage-processing.md#executable-check,
    docs/protocol/task-hub-storage-additions.md#events-before-a-start
"""

from collections.abc import Container, Hashable

from durable_host.clock import Clock
from durable_host.durable.engine.completion import repeated_answer
from durable_host.durable.engine.matching import answer_key
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.triage import classify, classify_start, conflict_reply, why_dropped
from durable_host.durable.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    is_same_execution,
)
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.copies import split_copies
from durable_host.durable.runtime.dropped_results import DroppedResults
from durable_host.durable.runtime.session import InstanceSession
from durable_host.durable.taskhub.port import ReceivedMessage, TaskHub
from durable_host.durable.user_code import UserCode
from durable_host.timestamp import TICKS_PER_SECOND

_KEPT_FOR_START = (EventRaised, ExecutionSuspended, ExecutionResumed)
_AFTER_START = 0.5
_LONGEST_HOLD = 600.0


class _SortedBatch:
    """The messages of a batch by what happens to them. `started` is the one that begins a new execution.

    `work` is processed, `useless` is consumed without effect, `early` is released, and `dropped` is deleted.
    """

    __slots__ = ("dropped", "early", "started", "useless", "work")

    def __init__(self) -> None:
        self.started: ReceivedMessage | None = None
        self.work: list[ReceivedMessage] = []
        self.useless: list[ReceivedMessage] = []
        self.early: list[ReceivedMessage] = []
        self.dropped: list[ReceivedMessage] = []


class Intake:
    """Sorts batches. Messages that it releases or deletes are removed from the batch."""

    def __init__(self, hub: TaskHub, code: UserCode, clock: Clock, dropped: DroppedResults) -> None:
        self._hub = hub
        self._code = code
        self._clock = clock
        self._dropped = dropped

    def needs_reload(self, session: InstanceSession, state: OrchestrationState, batch: list[ReceivedMessage]) -> bool:
        """True when a message does not fit the state in memory, because another host may have continued the instance.

        A copy of a client's start also counts, because the instance row may be ahead. A start that replaces the
        execution does not depend on the state.
        """
        return any(
            (received.message.is_start_of_client and (session.knows(received) or _is_start_of(state, received)))
            or (_depends_on(received) and not session.knows(received) and classify(state, received) != "process")
            for received in batch
        )

    async def sort(
        self, session: InstanceSession, state: OrchestrationState, batch: list[ReceivedMessage]
    ) -> tuple[list[ReceivedMessage], list[ReceivedMessage]]:
        """Return the messages to process and those that are no longer needed.

        Early messages are released here, and results that do not fit are deleted here. The commit of the processed
        messages must not record those results as consumed, because it may make the call that a later result with the
        same identity answers.
        """
        sorting = _SortedBatch()
        copies = [one for one in batch if session.knows(one)]
        fresh = [one for one in batch if one not in copies] if copies else batch
        for received in copies:
            sorting.useless.append(received)
            self._report(state, received)
        await self._choose_start(sorting, state, fresh)
        if sorting.started is not None:
            fresh = await self._recall(sorting, sorting.started, session, batch, fresh)
            if state.is_started:
                state = self._replace(session, state)
        self._classify_all(sorting, state, fresh)
        early, dropped = sorting.early, sorting.dropped
        if early:
            await self._hub.abandon(early)
        if dropped:
            await self._hub.discard(dropped)
        batch[:] = [received for received in batch if received not in early and received not in dropped]
        return sorting.work, sorting.useless

    async def _choose_start(
        self, sorting: _SortedBatch, state: OrchestrationState, fresh: list[ReceivedMessage]
    ) -> None:
        """Sort the start messages: at most one begins a new execution."""
        for received in _newest_first(fresh):
            if sorting.started is not None:
                (sorting.early if _is_rival(sorting.started, received) else sorting.useless).append(received)
            elif await self._accepts_start(state, received):
                sorting.started = received
            else:
                sorting.useless.append(received)

    async def _recall(
        self,
        sorting: _SortedBatch,
        started: ReceivedMessage,
        session: InstanceSession,
        batch: list[ReceivedMessage],
        fresh: list[ReceivedMessage],
    ) -> list[ReceivedMessage]:
        """Add the messages that were kept for a start to the batch. Return all messages that are left to classify."""
        here = {received.id for received in batch}
        recalled = await self._hub.recall(session.instance_id)
        kept = sorted((received for received in recalled if received.id not in here), key=_sent)
        waiting: list[ReceivedMessage] = []
        for received in kept:
            if session.knows(received):
                sorting.useless.append(received)
            elif isinstance(received.message.event, ExecutionStarted):
                waits = _is_rival(started, received) or _sent(received) > _sent(started)
                (sorting.early if waits else sorting.useless).append(received)
            else:
                waiting.append(received)
        once, copies = split_copies([*waiting, *fresh])
        sorting.useless += copies
        batch[:] = [*kept, *batch]
        return once

    def _classify_all(self, sorting: _SortedBatch, state: OrchestrationState, fresh: list[ReceivedMessage]) -> None:
        taken: set[Hashable] = set()
        for received in fresh:
            if received is sorting.started:
                sorting.work.append(received)
            if isinstance(received.message.event, ExecutionStarted):
                continue
            starts = sorting.started is not None and _is_of_same_execution(sorting.started, received)
            match classify(state, received, starts=starts, taken=taken):
                case "process":
                    sorting.work.append(received)
                    taken.add(state.calls.key_of(received.message))
                case "defer":
                    sorting.early.append(received)
                case "discard":
                    is_result = answer_key(received.message) is not None
                    (sorting.dropped if is_result else sorting.useless).append(received)
                    self._report(state, received, taken)

    def _report(self, state: OrchestrationState, received: ReceivedMessage, taken: Container[Hashable] = ()) -> None:
        misfit = why_dropped(state, received.message, taken)
        if misfit is not None:
            self._dropped.report(state, received.message, misfit)

    async def _accepts_start(self, state: OrchestrationState, received: ReceivedMessage) -> bool:
        """True when a start begins a new execution. A parent whose child cannot start is notified."""
        event = received.message.event
        assert isinstance(event, ExecutionStarted)
        verdict = classify_start(state, received.message)
        if verdict != "duplicate" and event.is_of_client:
            return not state.is_started or await self._is_newest(state.instance_id, event)
        match verdict:
            case "start":
                return True
            case "duplicate":
                again = repeated_answer(state, received.message)
                if again is not None:
                    await self._hub.send(again)
                return False
            case "conflict":
                reply = conflict_reply(state, received.message, now=self._clock.now())
                if reply is not None:
                    await self._hub.send(reply)
                return False

    async def _is_newest(self, instance_id: str, event: ExecutionStarted) -> bool:
        """True when no client has replaced the instance since the start `event`.

        An episode of the replaced execution may have written the row last, with its own generation or time, so the
        start is old only if both say so.
        """
        row = await self._hub.get_instance(instance_id, fetch_input=False, fetch_output=False)
        if row is None:
            return True
        return (event.generation or 0) >= (row.generation or 0) or event.timestamp >= row.created_time

    def _replace(self, session: InstanceSession, state: OrchestrationState) -> OrchestrationState:
        """Return a new state, because a client has replaced the execution in `state`."""
        if state.execution_id is not None:
            self._code.forget(session.instance_id, state.execution_id)
        session.state = OrchestrationState(session.instance_id, is_numbered=state.is_numbered)
        session.timers = set()
        return session.state

    async def keep_for_start(
        self, session: InstanceSession, batch: list[ReceivedMessage], useless: list[ReceivedMessage]
    ) -> list[ReceivedMessage]:
        """Release messages that arrived before the start of a pending instance, and return the remaining useless ones.

        The start recalls them. The reference loses events that arrive before a (scheduled) start; the API promises to
        keep them.
        """
        state = session.state
        early = [one for one in useless if isinstance(one.message.event, _KEPT_FOR_START) and not session.knows(one)]
        if not early or state is None:
            return useless
        row = await self._hub.get_instance(state.instance_id, fetch_input=False, fetch_output=False)
        is_coming = row is not None and row.runtime_status is OrchestrationStatus.Pending
        if row is None or not is_coming or (state.is_started and row.execution_id == state.execution_id):
            return useless
        if state.is_started and session.has_begun(row):
            return useless
        remaining = max(0, (row.scheduled_start_time or 0) - self._clock.now()) / TICKS_PER_SECOND
        for one in early:
            # The delay doubles each time, so that after a crash no message stays invisible for longer than it was kept.
            delay = min(2.0 ** min(one.dequeue_count, 30), _LONGEST_HOLD)
            await self._hub.abandon([one], delay=min(delay, remaining + _AFTER_START) if remaining else delay)
            batch.remove(one)
        return [one for one in useless if one not in early]


def _sent(received: ReceivedMessage) -> int:
    return received.message.event.timestamp


def _newest_first(batch: list[ReceivedMessage]) -> list[ReceivedMessage]:
    """Return the start messages, newest first. A later start by a client replaces the earlier one."""
    starts = [received for received in batch if isinstance(received.message.event, ExecutionStarted)]
    return sorted(starts, key=lambda received: received.message.event.timestamp, reverse=True)


def _depends_on(received: ReceivedMessage) -> bool:
    event = received.message.event
    if isinstance(event, ExecutionStarted):
        return not event.is_of_client
    return answer_key(received.message) is not None


def _is_rival(start: ReceivedMessage, other: ReceivedMessage) -> bool:
    """True when `other` comes from another parent, which must be notified later that the ID is in use."""
    ours, theirs = start.message.event, other.message.event
    assert isinstance(ours, ExecutionStarted)
    assert isinstance(theirs, ExecutionStarted)
    return not theirs.is_of_client and theirs.parent_instance != ours.parent_instance


def _is_of_same_execution(start: ReceivedMessage, received: ReceivedMessage) -> bool:
    return is_same_execution(received.message.target.execution_id, start.message.target.execution_id)


def _is_start_of(state: OrchestrationState, start: ReceivedMessage) -> bool:
    return state.is_started and is_same_execution(start.message.target.execution_id, state.execution_id)
