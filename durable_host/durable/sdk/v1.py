"""Implements `UserCode` for the app's durable functions under the 1.x SDK, through calls to the worker."""

from collections.abc import Mapping
from typing import Any

from durable_host.durable.engine.entity_failures import MAX_BATCH_ATTEMPTS, invocation_failed, unknown_entity
from durable_host.durable.engine.missing_functions import missing_function_text
from durable_host.durable.model.events import TraceContext
from durable_host.durable.sdk.app_code import AppCode, FunctionCaller, UnservedNames, aborted, session_key
from durable_host.durable.sdk.v1_actions import PYTHON_RULES, ActionRules
from durable_host.durable.sdk.v1_activities import stored_result
from durable_host.durable.sdk.v1_answer import decode_answer, plain_failure
from durable_host.durable.sdk.v1_entities import BadEntityAnswer, decode_entity_answer, entity_payload, timed_out
from durable_host.durable.sdk.v1_payload import new_events, payload_text
from durable_host.durable.user_code import (
    PYTHON_V1,
    ActivityOutcome,
    CodeDialect,
    EntityAnswer,
    EntityBatch,
    OrchestratorAnswer,
    OrchestratorTurn,
)
from durable_host.invocation.errors import FunctionFailed, FunctionTimedOut, WorkerLost


class V1UserCode(AppCode):
    """`UserCode` for the 1.x SDK; subclasses override what other SDKs of the protocol do differently.

    The three mappings give the function of each durable name. `unserved` contains functions of the app that cannot be
    called.
    """

    def __init__(
        self,
        calls: FunctionCaller,
        *,
        orchestrators: Mapping[str, str],
        activities: Mapping[str, str],
        entities: Mapping[str, str],
        unserved: UnservedNames | None = None,
        async_request_sleep_ms: int = 30_000,
        dialect: CodeDialect = PYTHON_V1,
    ) -> None:
        super().__init__(
            calls, orchestrators=orchestrators, activities=activities, entities=entities, unserved=unserved
        )
        self.dialect = dialect
        self._sleep_ms = async_request_sleep_ms
        self._rules = self._action_rules()

    def _action_rules(self) -> ActionRules:
        return PYTHON_RULES

    def _error_text(self, failed: FunctionFailed) -> str:
        """Return the text of an error of user code for the output of the instance."""
        return f"{failed.type}: {failed.message}"

    def _failed_activity(self, failed: FunctionFailed) -> ActivityOutcome:
        return ActivityOutcome(error=self._error_text(failed), details=failed.stack or None)

    def _entity_answer(self, text: str, operation_count: int) -> EntityAnswer:
        """Decode the answer of a batch. Raises BadEntityAnswer."""
        return decode_entity_answer(text, operation_count)

    async def run_orchestrator(self, turn: OrchestratorTurn) -> OrchestratorAnswer:
        """Run a turn. Raises WorkItemAborted."""
        function = self._orchestrators.find(turn.name)
        if function is None:
            return plain_failure(missing_function_text("orchestrator", turn.name, self._orchestrators.names()), None)
        key = session_key(turn.instance_id, turn.execution_id)
        token, seen = self._seen.pop(key, (None, 0))
        try:
            reply: dict[str, Any] = {"need": "history"}
            if token is not None and token is turn.session and seen <= len(turn.history):
                news = {"from": seen, "events": new_events(turn.history, seen)}
                reply = await self._orchestrate(function, turn, news)
            if reply.get("need") == "history":
                payload = payload_text(turn, async_request_sleep_ms=self._sleep_ms)
                reply = await self._orchestrate(function, turn, {"payload": payload})
        except (FunctionTimedOut, WorkerLost) as lost:
            raise aborted(lost) from lost
        except FunctionFailed as failed:
            return plain_failure(self._error_text(failed), failed.stack, failed.failure)
        answer = decode_answer(reply, self._rules)
        keeps_session = answer.ended_at is None and not answer.is_plain_failure and not reply.get("fresh")
        if keeps_session and turn.session is not None:
            self._remember(key, turn.session, len(turn.history))
        return answer

    async def run_activity(
        self, name: str, input: str | None, *, instance_id: str, task_id: int, trace: TraceContext | None = None
    ) -> ActivityOutcome:
        """Run an activity. `input` is the trigger text. Raises WorkItemAborted."""
        function = self._activities.find(name)
        if function is None:
            return ActivityOutcome(error=f"Activity function '{name}' does not exist.")
        try:
            returned = await self._calls.run_activity(
                function, "null" if input is None else input, instance_id=instance_id, task_id=task_id, trace=trace
            )
        except WorkerLost as lost:
            raise aborted(lost) from lost
        except FunctionFailed as failed:
            return self._failed_activity(failed)
        return ActivityOutcome(result=stored_result(returned))

    async def run_entity(self, batch: EntityBatch, *, trace: TraceContext | None = None) -> EntityAnswer:
        """Run a batch of operations. If it fails as a whole repeatedly, its operations fail. Raises WorkItemAborted."""
        function = self._entities.find(batch.name)
        if function is None:
            return unknown_entity(batch, self._entities.names())
        payload, instance_id, error = entity_payload(batch), f"@{batch.name}@{batch.key}", ""
        for _ in range(MAX_BATCH_ATTEMPTS):
            try:
                returned = await self._calls.run_entity(function, payload, instance_id=instance_id, trace=trace)
                return self._entity_answer(returned or "", len(batch.operations))
            except WorkerLost as lost:
                raise aborted(lost) from lost
            except FunctionTimedOut as late:
                return timed_out(batch, late.message)
            except FunctionFailed as failed:
                error = self._error_text(failed)
            except BadEntityAnswer as bad:
                error = str(bad)
        return invocation_failed(batch, error)

    async def _orchestrate(self, function: str, turn: OrchestratorTurn, part: dict[str, Any]) -> dict[str, Any]:
        request: dict[str, Any] = {**self._request(turn), "newFrom": turn.new_from, **part}
        return await self._calls.orchestrate(function, request, key=request["key"], instance_id=turn.instance_id)
