"""Names instances whose IDs are random by what they run: `ProcessOrder #1`."""

import re
from collections import Counter

from durable_host.chaos.message_words import InstanceNames
from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.messages import TaskMessage

RANDOM_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class NumberedInstances(InstanceNames):
    """Names that are the same in each run, if instances are created in the same order. Other IDs stay as they are."""

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def name(self, instance_id: str) -> str:
        """Return the name of an instance."""
        return self._names.get(instance_id) or super().name(instance_id)

    def learn(self, message: TaskMessage) -> None:
        """Learn the name of an instance from its start."""
        super().learn(message)
        event, instance_id = message.event, message.target.instance_id
        if not isinstance(event, ExecutionStarted) or instance_id in self._names:
            return
        if super().name(instance_id) == instance_id and RANDOM_ID.fullmatch(instance_id):
            self._counts[event.name] += 1
            self._names[instance_id] = f"{event.name} #{self._counts[event.name]}"
