"""Records which start messages arrived and when each control queue was empty, to detect missing start messages."""

from collections import OrderedDict

from durable_host.clock import Clock
from durable_host.durable.model.messages import TaskMessage

_REMEMBERED = 50_000


class SeenStarts:
    """The last 50,000 start messages of clients that this process sent to itself or read from a queue."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: OrderedDict[tuple[str, str | None], None] = OrderedDict()
        self._emptied: dict[str, int] = {}

    def record(self, message: TaskMessage) -> None:
        """Record a message that arrived. Only starts by clients are recorded."""
        if message.is_start_of_client:
            self._seen[message.target.instance_id, message.target.execution_id] = None
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

    def knows(self, instance_id: str, execution_id: str | None) -> bool:
        return (instance_id, execution_id) in self._seen

    def forget(self, instance_id: str, execution_id: str | None) -> None:
        """Forget a start that was committed: from now on the history shows that the instance has begun."""
        self._seen.pop((instance_id, execution_id), None)

    def emptied(self, queue: str) -> None:
        """Record that a poll returned everything that was visible in a queue."""
        self._emptied[queue] = self._clock.now()

    def was_empty(self, queue: str) -> int:
        """Return when the queue was last empty, in ticks, or 0."""
        return self._emptied.get(queue, 0)
