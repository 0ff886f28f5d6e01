"""Activities without messages: from the commit directly to a worker, and the result directly to the instance.

Used only while no other host works on the hub. After a crash, this work is found through the mark of the commit that
scheduled it. Work that others must find is put into its queue (`handover.py`).

Source: docs/protocol/task-hub-storage-additions.md#activities-without-messages
"""

from collections.abc import Callable
from itertools import count

from durable_host.clock import Clock
from durable_host.durable.model import identity
from durable_host.durable.model.events import TaskCompleted, TaskFailed
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.held_hub_message import HeldHubMessage
from durable_host.durable.taskhub.azure.unsettled import TaskKey
from durable_host.durable.taskhub.port import ReceivedMessage


def request_key(message: TaskMessage) -> TaskKey:
    return message.target.instance_id, message.target.execution_id, message.event.event_id


def result_key(message: TaskMessage) -> TaskKey | None:
    event = message.event
    if not isinstance(event, TaskCompleted | TaskFailed):
        return None
    return message.target.instance_id, message.target.execution_id, event.task_scheduled_id


class DirectWork:
    """The requests and results that this process holds and that are in no queue."""

    def __init__(self, deliveries: Deliveries, clock: Clock) -> None:
        self._deliveries = deliveries
        self._clock = clock
        self._numbers = count(1)
        self._requests: dict[TaskKey, ReceivedMessage] = {}
        self._results: dict[TaskKey, ReceivedMessage] = {}

    def begin(self, message: TaskMessage) -> None:
        """Run an activity in this process. Skips one that is running or has its result here: a debt may repeat it."""
        if self._is_held(message):
            return
        held = HeldHubMessage(None, id=f"direct-{next(self._numbers)}")
        received = ReceivedMessage(held.id, message, 1, self._clock.now(), held)
        self._requests[request_key(message)] = received
        self._deliveries.activities.put(received)

    def _is_held(self, message: TaskMessage) -> bool:
        key = request_key(message)
        request, result = self._requests.get(key), self._results.get(key)
        if request is not None and request.message.id == message.id:
            return True
        return result is not None and result.message.id == identity.answer_to(message.id)

    def answer(self, request: ReceivedMessage, result: TaskMessage) -> None:
        """Deliver the result of a request. The commit that consumes the result ends the request."""
        key = request_key(request.message)
        self._requests.pop(key, None)
        received = ReceivedMessage(f"result-{request.id}", result, 1, self._clock.now(), request.receipt)
        self._results[key] = received
        self._deliveries.control.put(received)

    def done(self, message: ReceivedMessage) -> TaskKey | None:
        """Forget a message that was consumed or discarded. Return the activity that is no longer held, or None."""
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
        """True when a request was neither answered nor put into its queue."""
        return self._requests.get(request_key(request.message)) is request

    def requests(self, includes: Callable[[str], bool]) -> list[ReceivedMessage]:
        """Return the waiting and running requests of the instances for which `includes` is true."""
        return [one for key, one in self._requests.items() if includes(key[0])]

    def results(self, includes: Callable[[str], bool]) -> list[ReceivedMessage]:
        """Return the results that no commit has consumed, of the instances for which `includes` is true."""
        return [one for key, one in self._results.items() if includes(key[0])]

    def clear(self) -> None:
        self._requests.clear()
        self._results.clear()
