"""Continues instances of 1.x code with 2.x code.

Source: docs/protocol/durable-v2.md#instances-of-the-other-generation
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from durable_host.durable.engine.renumbering import CALLS, unwrapped
from durable_host.durable.engine.sdk_generations import refusal_to_take_over
from durable_host.durable.engine.state import OrchestrationState, TakenOver
from durable_host.durable.engine.taking_over import CannotTakeOver, TakeOver
from durable_host.durable.model import identity
from durable_host.durable.model.events import ExecutionStarted, HistoryEvent
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import NumberedAnswer, OrchestratorAnswer, OrchestratorTurn

_log = logging.getLogger("Host.Triggers.DurableTask")

RunCode = Callable[[OrchestratorTurn], Awaitable[OrchestratorAnswer | NumberedAnswer]]


async def take_over(
    instance_id: str, events: Sequence[HistoryEvent], run: RunCode, *, has_code: bool
) -> OrchestrationState | str:
    """Return the execution's state for 2.x code, or the reason why it cannot continue, as sentences. `events` are its
    rows.

    The code runs through its past once. Nothing is written until the next episode records the new numbers.
    """
    past = TakeOver(instance_id, events)
    if has_code and any(isinstance(event, CALLS) for event in events):
        try:
            for turn, where in past.turns():
                past.match(where, _numbered(await run(turn)))
            past.check_end()
        except CannotTakeOver as cannot:
            return refusal_to_take_over(instance_id, str(cannot))
    history = past.history
    state = OrchestrationState.from_history(instance_id, history.events, is_numbered=True, older=history.older)
    state.token = past.session
    state.taken_over = TakenOver(past.numbers, past.ending)
    _log.info(
        "The instance '%s' was started with azure-functions-durable 1.x and continues with 2.x.",
        instance_id,
        extra={"instance_id": instance_id},
    )
    return state


def started_by_v2(message: TaskMessage) -> TaskMessage:
    """Return a start with its input encoded once. Clients and parents of 1.x encode it twice."""
    event = message.event
    if not isinstance(event, ExecutionStarted):
        return message
    if identity.is_started_by_v2(event.orchestration_instance.execution_id):
        return message
    input = unwrapped(event.input)
    if input == event.input:
        return message
    return msgspec.structs.replace(message, event=msgspec.structs.replace(event, input=input))


def _numbered(answer: OrchestratorAnswer | NumberedAnswer) -> NumberedAnswer:
    return answer if isinstance(answer, NumberedAnswer) else NumberedAnswer(error=answer.error or "")
