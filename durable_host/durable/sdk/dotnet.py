"""Implements `UserCode` for the durable functions of .NET isolated apps, through calls to the worker.

The messages are those of the 2.x protocol. What the .NET SDK does differently is in the modules `dotnet*` of this
folder.

Source: docs/protocol/durable-dotnet.md#values-in-net
"""

import base64
from typing import Any, Protocol, cast

import msgspec

from durable_host.durable.engine.decisions import HTTP_ACTIVITY
from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.model.events import FailureDetails, TraceContext
from durable_host.durable.proto import pb
from durable_host.durable.sdk import dotnet_turns
from durable_host.durable.sdk.app_code import FunctionCaller, aborted, session_key
from durable_host.durable.sdk.dotnet_activities import element_of, failed_dotnet_activity
from durable_host.durable.sdk.dotnet_turns import DotnetAnswer, DotnetSettings
from durable_host.durable.sdk.v2 import FUNCTION_FAILED, NOT_FOUND, V2UserCode, not_run
from durable_host.durable.sdk.v2_turns import BadResponse
from durable_host.durable.user_code import (
    ActivityOutcome,
    EntityBatch,
    LostRun,
    NumberedAnswer,
    OrchestratorTurn,
    WorkItemAborted,
)
from durable_host.invocation.errors import FunctionFailed, FunctionTimedOut, WorkerLost


class TurnCaller(FunctionCaller, Protocol):
    """The calls that .NET apps need too: their orchestrators are ordinary functions."""

    async def run_turn(self, function: str, request: str, *, key: str, turn: OrchestratorTurn) -> str | None:
        """Invoke an orchestrator function with the text `request`. Returns the text of its answer.

        It runs in the worker that `session_worker` would return now, if there is one.
        """
        ...

    def session_worker(self, key: str) -> object | None:
        """Return the worker process in which a call of the session `key` would run now. None if there is none."""
        ...


class _Session(msgspec.Struct, frozen=True):
    """What a worker keeps of an execution: `state` is the state that its history belongs to.

    `recorded` is the number of actions of the last answer, which are all in the history before the next turn unless
    the engine held some of them back.
    """

    state: object
    worker: object
    recorded: int


class DotnetUserCode(V2UserCode):
    """`UserCode` for .NET isolated apps.

    The worker keeps an orchestrator between its turns if `settings` allow it, and is then sent only new events.
    """

    first_number = 0
    continues_v1 = False
    continues_core = True

    def __init__(self, calls: TurnCaller, *, settings: DotnetSettings = DotnetSettings(), **names: Any) -> None:
        """Take the mappings in `names` as `AppCode` does."""
        super().__init__(calls, **names)
        self.settings = settings

    def has_activity(self, name: str) -> bool:
        """True for a function of the app, and for the activity of `CallHttpAsync`, which the host runs itself."""
        return name == HTTP_ACTIVITY or super().has_activity(name)

    def reading(self) -> None:
        """Return None: the worker keeps its own sessions, and logs every run."""
        return

    def forget(self, instance_id: str, execution_id: str) -> None:
        """Send the whole history with the next turn. The worker drops what it keeps when it has not been used."""
        self._seen.pop(session_key(instance_id, execution_id), None)

    async def run_orchestrator(self, turn: OrchestratorTurn) -> NumberedAnswer:
        """Run a turn. Raises WorkItemAborted."""
        function = self._orchestrators.find(turn.name)
        if function is None:
            text = missing_function_text("orchestrator", turn.name, self._orchestrators.names())
            return not_run(FailureDetails(NOT_FOUND.format(kind="Orchestrator"), text))
        try:
            answer = await self._turn(function, turn)
        except (FunctionTimedOut, WorkerLost) as lost:
            raise aborted(lost) from lost
        except FunctionFailed as failed:
            details = FailureDetails(
                "FunctionInvocationFailed",
                FUNCTION_FAILED.format(name=function),
                inner_failure=FailureDetails(failed.type, failed.message, failed.stack or None),
            )
            return msgspec.structs.replace(not_run(details), failure=failed.failure)
        except BadResponse as bad:
            return not_run(FailureDetails("FunctionInvocationFailed", str(bad)))
        if answer.ran_out_of_memory:
            text = f"The orchestrator '{function}' ran out of memory."
            raise WorkItemAborted(text, LostRun(text, is_certain=False))
        return answer.answer

    async def run_activity(
        self, name: str, input: str | None, *, instance_id: str, task_id: int, trace: TraceContext | None = None
    ) -> ActivityOutcome:
        """Run an activity. `input` is the stored text, an array of one element. Raises WorkItemAborted."""
        function = self._activities.find(name)
        if function is None:
            text = f"Activity function '{name}' does not exist."
            return ActivityOutcome(error=text, failure=FailureDetails(NOT_FOUND.format(kind="Activity"), text))
        try:
            result = await self._calls.run_activity(
                function, element_of(input), instance_id=instance_id, task_id=task_id, trace=trace
            )
        except WorkerLost as lost:
            raise aborted(lost) from lost
        except FunctionFailed as failed:
            return failed_dotnet_activity(failed)
        return ActivityOutcome(result=result)

    def _batch(self, batch: EntityBatch) -> pb.EntityBatchRequest:
        message = super()._batch(batch)
        message.properties["RollbackEntityOperationsOnExceptions"].bool_value = self.settings.rolls_back_entities
        return message

    async def _turn(self, function: str, turn: OrchestratorTurn) -> DotnetAnswer:
        """Send only the new events if a worker has the session; the whole history if none has, or it has lost it."""
        key = session_key(turn.instance_id, turn.execution_id)
        worker = self._turn_calls.session_worker(key)
        answer: DotnetAnswer | None = None
        if self._is_kept(key, turn, worker):
            answer = await self._send(function, key, turn, with_history=False)
        if answer is None or answer.needs_history:
            worker = self._turn_calls.session_worker(key)
            answer = await self._send(function, key, turn, with_history=True)
        if answer.needs_history:
            raise BadResponse("The worker asked for the history although it was sent with the turn.")
        if self._keeps_sessions(turn) and worker is not None and not answer.is_completed:
            session = _Session(turn.session, worker, len(answer.answer.actions))
            self._remember(key, session, len(turn.history))
        return answer

    @property
    def _turn_calls(self) -> TurnCaller:
        return cast("TurnCaller", self._calls)

    def _keeps_sessions(self, turn: OrchestratorTurn) -> bool:
        return bool(self.settings.session_seconds) and turn.session is not None

    def _is_kept(self, key: str, turn: OrchestratorTurn, worker: object | None) -> bool:
        """Whether the worker has seen exactly what precedes the turn. Forget the session: the turn may fail."""
        session, seen = self._seen.pop(key, (None, 0))
        if not isinstance(session, _Session) or session.state is not turn.session or session.worker is not worker:
            return False
        if seen > turn.new_from:
            return False  # The worker has seen some of the new events already.
        since = turn.history[seen : turn.new_from]
        own = sum(event.event_id >= 0 for event in since)
        return own == session.recorded and not any(dotnet_turns.is_message(event) for event in since)

    async def _send(self, function: str, key: str, turn: OrchestratorTurn, *, with_history: bool) -> DotnetAnswer:
        keeps = self._keeps_sessions(turn)
        request = dotnet_turns.request(turn, self.settings, with_history=with_history, keeps_session=keeps)
        text = base64.b64encode(request.SerializeToString()).decode("ascii")
        answer = await self._turn_calls.run_turn(function, text, key=key, turn=turn)
        return dotnet_turns.read_answer(answer, is_of_session=not with_history)
