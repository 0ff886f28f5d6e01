"""Activities without messages: from the commit straight to a worker, and the result straight to the instance.

Only while no other host works on the hub. What is in hand here is found again after a crash by the mark of the commit
that scheduled it; whatever has to be found by others is put into its queue (`handover.py`).

Source: docs/protocol/task-hub-storage-additions.md#activities-without-messages
"""

from collections.abc import Callable
from itertools import count

from durable_host.clock import Clock
from durable_host.durable.model import identity
from durable_host.durable.model.events import TaskCompleted, TaskFailed
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.held import HeldHubMessage
from durable_host.durable.taskhub.azure.standing import TaskKey
from durable_host.durable.taskhub.port import ReceivedMessage


def request_key(message: TaskMessage) -> TaskKey:
    return message.target.instance_id, message.target.execution_id, message.event.event_id


def result_key(message: TaskMessage) -> TaskKey | None:
    event = message.event
    if not isinstance(event, TaskCompleted | TaskFailed):
        return None
    return message.target.instance_id, message.target.execution_id, event.task_scheduled_id


class DirectWork:
    """Requests and results in the hands of this process that are in no queue."""

    def __init__(self, deliveries: Deliveries, clock: Clock) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._numbers = count(1)
        self._requests: dict[TaskKey, ReceivedMessage] = {}
        self._results: dict[TaskKey, ReceivedMessage] = {}

    def begin(self, message: TaskMessage) -> None:
        """Let this process run an activity, unless it does already, or holds the result: a debt may name it again."""
        if self._is_in_hand(message):
            return
        held = HeldHubMessage(None, id=f"direct-{next(self._numbers)}")
        received = ReceivedMessage(held.id, message, 1, self._clock.now(), held)
        self._requests[request_key(message)] = received
        self._deliveries.activities.put(received)

    def _is_in_hand(self, message: TaskMessage) -> bool:
        key = request_key(message)
        request, result = self._requests.get(key), self._results.get(key)
        if request is not None and request.message.id == message.id:
            return True
        return result is not None and result.message.id == identity.answer_to(message.id)

    def answer(self, request: ReceivedMessage, result: TaskMessage) -> None:
        """Deliver the result of a request; the commit that consumes it ends the request."""
        key = request_key(request.message)
        self._requests.pop(key, None)
        received = ReceivedMessage(f"result-{request.id}", result, 1, self._clock.now(), request.receipt)
        self._results[key] = received
        self._deliveries.control.put(received)

    def done(self, message: ReceivedMessage) -> TaskKey | None:
        """A message was consumed or is of no use; the activity that is in hand no more."""
        if message.message.is_activity:
            key = request_key(message.message)
            return key if self._requests.pop(key, None) is not None else None
        key = result_key(message.message)
        known = self._results.get(key) if key is not None else None
        if key is None or known is None or known.id != message.id:
            return None
        del self._results[key]
        return key

    def knows(self, request: ReceivedMessage) -> bool:
        """Whether a request has not been answered or put."""
        return self._requests.get(request_key(request.message)) is request

    def requests(self, of: Callable[[str], bool]) -> list[ReceivedMessage]:
        """Requests of the instances that `of` names, waiting or running."""
        return [one for key, one in self._requests.items() if of(key[0])]

    def results(self, of: Callable[[str], bool]) -> list[ReceivedMessage]:
        """Results of these instances that no commit has consumed."""
        return [one for key, one in self._results.items() if of(key[0])]

    def clear(self) -> None:
        self._requests.clear()
        self._results.clear()
