"""Runs orchestrator code: a new turn, or an earlier one again to get what it decided.

Source: docs/protocol/task-hub-storage-processing.md#episode
"""

from durable_host.clock import Clock
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.debt import OwedRows
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.episode_start import turn_of, turn_of_episode
from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.engine.options import EngineOptions
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.diagnostics import Diagnostics
from durable_host.durable.runtime.lost_work import LostWork, WorkItemGivenUp, WorkItemId
from durable_host.durable.user_code import NumberedAnswer, OrchestratorAnswer, OrchestratorTurn, UserCode


class OrchestratorCode:
    """The orchestrators of the app. A worker that is lost is replaced, and the turn runs again."""

    def __init__(
        self, code: UserCode, options: EngineOptions, clock: Clock, diagnostics: Diagnostics, lost: LostWork
    ) -> None:
        self._code = code
        self._options = options
        self._clock = clock
        self._diagnostics = diagnostics
        self._lost = lost

    async def run(self, turn: OrchestratorTurn) -> OrchestratorAnswer | NumberedAnswer:
        """Run a turn and return the answer. Orchestrator code runs nowhere else."""
        if not self._code.has_orchestrator(turn.name):
            text = missing_function_text("orchestrator", turn.name, self._code.orchestrator_names())
            self._diagnostics.report(
                Diagnostic(
                    code=codes.MISSING_FUNCTION,
                    instance_id=turn.instance_id,
                    severity="error",
                    text=text,
                    timestamp=self._clock.now(),
                    function=turn.name,
                )
            )
            return OrchestratorAnswer(steps=(), is_plain_failure=True, error=text)
        item = WorkItemId("orchestrator", turn.name, turn.instance_id, turn.execution_id)
        try:
            return await self._lost.run(item, lambda code: code.run_orchestrator(turn))
        except WorkItemGivenUp as given_up:
            return OrchestratorAnswer(
                steps=(), is_plain_failure=True, error=given_up.text, error_details=given_up.details
            )

    async def messages_of(self, owed: OwedRows, state: OrchestrationState) -> list[TaskMessage]:
        """Return the messages that follow from rows of the history. Runs the code if they need its inputs."""
        if not state.is_numbered:
            answer = await self._replay(state) if owed.needs_code else None
            return owed.messages(answer, code=self._code, options=self._options)
        answers = {episode: await self._repeat(state, episode) for episode in owed.episodes_to_repeat}
        return owed.messages(None, code=self._code, options=self._options, answers=answers)

    async def custom_status(self, state: OrchestrationState) -> str | None:
        """Return the custom status that the code has set. Runs the code, because the history does not contain it."""
        has_begun = any(isinstance(event, ExecutionStarted) for event in state.seen_by_code())
        if not has_begun or not self._code.has_orchestrator(state.name):
            return None
        if state.is_numbered:
            repeated = await self._repeat(state, state.episodes)
            return repeated.custom_status if repeated.error is None else None
        answer = await self._replay(state)
        return None if answer.is_plain_failure else answer.custom_status

    async def _repeat(self, state: OrchestrationState, episode: int) -> NumberedAnswer:
        """Run an episode of 2.x code again and return its answer, which is empty if the episode cannot run."""
        turn = turn_of_episode(state, episode)
        answer = None if turn is None else await self.run(turn)
        return answer if isinstance(answer, NumberedAnswer) else NumberedAnswer()

    async def _replay(self, state: OrchestrationState) -> OrchestratorAnswer:
        """Run the code from the beginning and return what it has decided so far. `state` does not change."""
        past = OrchestrationState.from_history(state.instance_id, state.seen_by_code())
        answer = await self.run(turn_of(past))
        assert isinstance(answer, OrchestratorAnswer)
        if past.execution_id is not None:
            self._code.forget(past.instance_id, past.execution_id)
        return answer
