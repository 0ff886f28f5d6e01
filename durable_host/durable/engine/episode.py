"""One episode of an orchestration, deterministic and without I/O.

`start_episode` adds messages to the history, the runtime runs the code, and `finish_episode` turns its answer into
history events and messages.

Source: docs/protocol/task-hub-storage-processing.md#episode,
    docs/protocol/task-hub-storage-processing.md#decisions,
    docs/protocol/durable-payload.md#life-of-an-episode,
    docs/protocol/durable-replay.md#replay-of-the-answer
"""

from collections.abc import Callable

from durable_host.durable.engine import custom_status
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.completion import (
    FIRE_AND_FORGET,
    Completion,
    ended_by_code,
    ended_by_fault,
    ended_by_termination,
)
from durable_host.durable.engine.continue_as_new import next_generation
from durable_host.durable.engine.episode_start import EpisodeStart, start_episode, turn_of
from durable_host.durable.engine.faults import AnswerMismatch, OrchestrationFault
from durable_host.durable.engine.gate_texts import waits_for_timers_only
from durable_host.durable.engine.instance_row import committed_form, row_update
from durable_host.durable.engine.numbered_episode import INVOCATION_FAILED, NumberedEpisode
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.outbound import carry_out
from durable_host.durable.engine.outcome import EpisodeOutcome
from durable_host.durable.engine.recursive_termination import terminations_of_children
from durable_host.durable.engine.reports import Reports
from durable_host.durable.engine.sending import SendingOrchestration
from durable_host.durable.engine.state import Ending, OrchestrationState
from durable_host.durable.engine.versioning import MISMATCH, mismatch_fault
from durable_host.durable.engine.walker import NonDeterminism, Walker
from durable_host.durable.model.events import FailureDetails, OrchestratorCompleted
from durable_host.durable.user_code import (
    NumberedAnswer,
    OrchestratorAnswer,
    OrchestratorTurn,
    UserCode,
    dialect_of,
)

__all__ = ["EpisodeOutcome", "EpisodeStart", "finish_episode", "start_episode"]


def finish_episode(
    state: OrchestrationState,
    answer: OrchestratorAnswer | NumberedAnswer | None,
    *,
    now: int,
    new_id: Callable[[], str],
    code: UserCode,
    options: EngineOptions,
) -> EpisodeOutcome:
    """Turn the answer to the turn of `start_episode` (None if there was no turn) into decisions.

    `new_id` returns execution IDs (32 hex digits). Raises AnswerMismatch if the answer does not continue from the
    current state. After that, as after any other error between start and finish, discard the state.
    """
    return _Episode(state, now, new_id, code, options).finish(answer)


class _Episode:
    """The second half of an episode in progress."""

    def __init__(
        self,
        state: OrchestrationState,
        now: int,
        new_id: Callable[[], str],
        code: UserCode,
        options: EngineOptions,
    ) -> None:
        self.state = state
        self.item = state.work_item
        self.now = max(now, state.now)
        self.new_id = new_id
        self.code = code
        self.options = options
        self.reports = Reports(state, self.now, dialect_of(code))

    def finish(self, answer: OrchestratorAnswer | NumberedAnswer | None) -> EpisodeOutcome:
        state = self.state
        if len(state.history) == self.item.first_ordinal:
            return self._outcome(None)
        next_turn = None
        try:
            if state.is_numbered:
                next_turn = self._run_numbered(answer)
            elif state.termination is not None:
                self._complete(ended_by_termination(state.termination.input))
            elif self.item.is_version_refused:
                raise mismatch_fault()
            elif not state.is_suspended:
                assert not isinstance(answer, NumberedAnswer)
                self._run(answer)
                next_turn = self._end()
        except NonDeterminism as found:
            self.reports.non_determinism(found)
            self._complete(ended_by_fault(state.name, OrchestrationFault(str(found), is_whole_text=True)))
        except OrchestrationFault as fault:
            self._fail(fault)
        if next_turn is None and not isinstance(state.history[-1], OrchestratorCompleted):
            state.append(OrchestratorCompleted(timestamp=self.now))
        if state.is_terminal:
            self.item.outbound.extend(terminations_of_children(state, self.now))
        return self._outcome(next_turn)

    def _run_numbered(self, answer: OrchestratorAnswer | NumberedAnswer | None) -> OrchestratorTurn | None:
        """Run and end the episode for code that numbers its own actions (2.x)."""
        if self.item.is_version_refused:
            raise mismatch_fault()
        episode = NumberedEpisode(self.state, self.now, self.new_id, self.code, self.options, self.reports)
        return episode.run(answer if isinstance(answer, NumberedAnswer) else _in_numbered_form(answer))

    def _run(self, answer: OrchestratorAnswer | None) -> None:
        """Walk the new events and carry out the decisions."""
        state = self.state
        if answer is not None:
            self._apply_answer(answer)
        walker = self._walker(answer)
        first_new = state.unfed_from if state.unfed_from is not None else len(state.history)
        ended_at = state.ending.index if state.ending is not None else None
        if answer is None:
            walker.walk(state.history, (), ended_at=ended_at)
        else:
            # A cancelled timer counts as settled since it began, so what happened meanwhile comes afterwards.
            for action_number, leaf in answer.canceled_timers:
                walker.cancel_timer(action_number, leaf)
            walker.walk(state.history, answer.steps, position=answer.position, ended_at=ended_at)
            for name in answer.consumed_early_events:
                walker.events.consumed(name)
        if state.ending is not None:
            walker.has_ended = True
        for note in answer.notes if answer is not None else ():
            if note.event_index is None or note.event_index >= first_new:
                self.reports.note(note)
        for index, finding in walker.take_findings():
            if index >= first_new:
                self.reports.finding(finding)
        state.mark_played(first_new)
        state.unfed_from = None
        self._carry_out(walker)
        walker.cursor = len(state.history)
        self._report_what_waits(walker, first_new)

    def _report_what_waits(self, walker: Walker, first_new: int) -> None:
        """Report what the code has decided since `first_new` that cannot happen yet."""
        ending, gate = self.state.ending, walker.closed_gate
        if ending is not None and ending.index >= first_new:
            is_continuing = walker.continue_as_new is not None
            if gate is None or waits_for_timers_only(gate):
                self.reports.waiting_timers(ending, is_continuing=is_continuing)
            else:
                self.reports.end_held_back(ending, gate, is_continuing=is_continuing)
        elif ending is None and gate is not None and (held := walker.held(first_new)) is not None:
            self.reports.held_back(held.gate, gate)

    def _apply_answer(self, answer: OrchestratorAnswer) -> None:
        """Apply everything in the answer except its actions."""
        state = self.state
        self.reports.position = answer.position
        for warning in answer.warnings:
            self.reports.add(codes.CODE_WARNING, "warning", warning)
        if answer.is_plain_failure:
            raise OrchestrationFault(
                answer.error or "",
                details=f"Message: {answer.error}, StackTrace: {answer.error_details or ''}",
                failure=answer.failure,
            )
        complaint = custom_status.take(state, answer.custom_status, self.reports)
        if complaint is not None:
            raise OrchestrationFault(complaint)
        if answer.is_done or answer.error is not None:
            ended_at = answer.ended_at if answer.ended_at is not None else len(state.history) - 1
            state.ending = Ending(
                index=ended_at,
                output=answer.output,
                error=answer.error,
                error_details=answer.error_details,
                failure=answer.failure,
            )

    def _walker(self, answer: OrchestratorAnswer | None) -> Walker:
        """Return the walker to continue with, or a new one if the answer reports all actions from the start."""
        state = self.state
        walker = state.walker
        if answer is None:
            if walker is None:
                raise AnswerMismatch("the code has not run since this state was loaded")
            return walker
        if walker is not None and 0 < answer.first_action == walker.actions_known:
            return walker
        if answer.first_action != 0:
            raise AnswerMismatch(
                f"the answer begins at action {answer.first_action}, but "
                f"{walker.actions_known if walker is not None else 0} are known"
            )
        walker = Walker(state.instance_id, state.execution_id or "", self.options, dialect_of(self.code))
        state.walker = walker
        state.held_activities.clear()
        return walker

    def _carry_out(self, walker: Walker) -> None:
        """Turn decisions that are not in the history into events and messages. Hold activities beyond the window."""
        state, sender = self.state, self._sender()
        held = state.held_activities
        window = self.options.activity_window
        for number in (*self._released(walker), *walker.take_fresh()):
            if number not in walker.pending:
                continue
            if window is not None and walker.outstanding_activities >= window and walker.is_activity(number):
                held.append(number)
                continue
            decision = walker.schedule(number)
            assert decision is not None
            scheduled = carry_out(decision, sender)
            state.append(scheduled.event)
            if scheduled.request is not None:
                state.calls.sent(number, scheduled.request)
            self.item.outbound.extend(scheduled.messages)
            if scheduled.refusal is not None:
                self.reports.refusal(scheduled.refusal)

    def _released(self, walker: Walker) -> list[int]:
        """Return the held activities that fit into the window now."""
        held, window = self.state.held_activities, self.options.activity_window
        room = len(held) if window is None else min(len(held), max(0, window - walker.outstanding_activities))
        return [held.popleft() for _ in range(room)]

    def _end(self) -> OrchestratorTurn | None:
        """Complete or continue as new once the code has ended, all gates are open and no task is open."""
        state, walker = self.state, self.state.walker
        ending = state.ending
        if ending is None or walker is None or walker.open or walker.closed_gate is not None:
            return None
        if ending.error is None and walker.continue_as_new is not None:
            return self._continue_as_new(walker, ending)
        for finding in walker.events.never_consumed():
            self.reports.finding(finding)
        self.item.failure = ending.failure
        self._complete(ended_by_code(state.name, ending))
        return None

    def _continue_as_new(self, walker: Walker, ending: Ending) -> OrchestratorTurn:
        state = self.state
        assert state.started is not None
        assert walker.continue_as_new is not None
        for finding in walker.events.never_consumed():
            self.reports.finding(finding)
        if self.item.first_ordinal > 0:
            self.item.replaced_execution_id = self.item.execution_id
        self.item.first_ordinal = 0
        state.restart(
            next_generation(
                state.history,
                state.started,
                walker.continue_as_new,
                ended_at=ending.index,
                now=self.now,
                execution_id=self.new_id(),
            )
        )
        state.keeps_custom_status = True
        return turn_of(state)

    def _complete(self, completion: Completion) -> None:
        state = self.state
        number = state.max_event_id + 1
        if state.walker is not None and state.walker.closed_gate is None:
            number = max(number, state.walker.next_id)
        state.append(completion.event(number, self.now))
        if state.parent is not None and FIRE_AND_FORGET not in (state.tags or {}):
            message = completion.message_to(state.parent, state.instance, state.episodes, self.now)
            self.item.outbound.append(message)

    def _fail(self, fault: OrchestrationFault) -> None:
        if self.state.is_numbered and fault.failure_details is None:
            fault.failure_details = FailureDetails(INVOCATION_FAILED, fault.text)
        if fault.failure_details is MISMATCH:
            self.reports.add(codes.VERSION_MISMATCH, "error", f"{MISMATCH.error_message}.")
        self.item.failure = fault.failure
        self._complete(ended_by_fault(self.state.name, fault))

    def _sender(self) -> SendingOrchestration:
        state = self.state
        assert state.started is not None
        return SendingOrchestration(
            instance=state.instance,
            started=state.started,
            episode=state.episodes,
            now=self.now,
            code=self.code,
            options=self.options,
        )

    def _outcome(self, next_turn: OrchestratorTurn | None) -> EpisodeOutcome:
        state, item = self.state, self.item
        new_events = [] if next_turn is not None else state.history[item.first_ordinal :]
        if not state.is_numbered:
            new_events = committed_form(new_events)
        update, row_changed = row_update(
            state.execution_id or "", state.parent_id, new_events, state.custom_status, now=self.now
        )
        return EpisodeOutcome(
            next_turn=next_turn,
            execution_id=state.execution_id or "",
            replaced_execution_id=item.replaced_execution_id,
            first_ordinal=item.first_ordinal,
            new_events=new_events,
            outbound=[] if next_turn is not None else item.outbound,
            update=update,
            row_changed=row_changed or item.custom_status_changed,
            held_back=len(state.held_activities),
            is_terminal=state.is_terminal,
            diagnostics=[] if next_turn is not None else item.diagnostics,
            failure=item.failure,
        )


def _in_numbered_form(answer: OrchestratorAnswer | None) -> NumberedAnswer:
    """Return the 2.x form of an answer that only says the code failed to run. Raises AnswerMismatch for any other."""
    if answer is None or not answer.is_plain_failure:
        raise AnswerMismatch("the code did not give an answer of the 2.x protocol")
    return NumberedAnswer(error=answer.error or "", error_details=answer.error_details, failure=answer.failure)
