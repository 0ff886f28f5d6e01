"""Names messages in words that are the same in each run with the same input."""

import re
from collections import OrderedDict

from durable_host.durable.engine.entity_request import UnreadableEntityMessage, read_request
from durable_host.durable.model import events as e
from durable_host.durable.model.messages import NO_SENDER, TaskMessage

_REMEMBERED = 20_000
_RANDOM = re.compile(r"[0-9a-fA-F]{12}")


class InstanceNames:
    """Names instances. A sub-orchestration with a random ID is named after its parent: `order-7/3`."""

    def __init__(self) -> None:
        self._children: OrderedDict[str, str] = OrderedDict()

    def name(self, instance_id: str) -> str:
        """Return the name of an instance: its ID, or that of its parent with the number of the call."""
        return self._children.get(instance_id, instance_id)

    def learn(self, message: TaskMessage) -> None:
        """Learn the parent of an instance from its start."""
        event = message.event
        if not isinstance(event, e.ExecutionStarted) or event.parent_instance is None:
            return
        child, parent = message.target.instance_id, event.parent_instance
        if not _RANDOM.search(child):
            return
        self._children[child] = f"{self.name(parent.orchestration_instance.instance_id)}/{parent.task_schedule_id}"
        if len(self._children) > _REMEMBERED:
            self._children.popitem(last=False)


def words_for(message: TaskMessage, names: InstanceNames) -> str:
    """Return a name of the message: what it is, and which instance it is for."""
    instance_id = message.target.instance_id
    event, name = message.event, names.name(instance_id)
    match event:
        case e.EventRaised() if instance_id.startswith("@"):
            return _entity_words(event, instance_id)
        case e.EventRaised() if message.sender.instance_id.startswith("@"):
            return f"answer of entity '{message.sender.instance_id}' for instance '{name}'"
        case e.EventRaised():
            return f"event '{event.name}' for instance '{name}'"
        case e.ExecutionStarted():
            return f"start of instance '{name}' ({event.name})"
        case e.TaskScheduled():
            return f"activity '{event.name}' (task {event.event_id}) of instance '{name}'"
        case e.TaskCompleted() | e.TaskFailed():
            return f"result of task {event.task_scheduled_id} of instance '{name}'"
        case e.SubOrchestrationInstanceCompleted() | e.SubOrchestrationInstanceFailed():
            return f"result of sub-orchestration {event.task_scheduled_id} of instance '{name}'"
        case e.TimerFired():
            return f"timer {event.timer_id} of instance '{name}'"
        case _:
            return f"message {event.event_name} for instance '{name}'"


def may_arrive_twice(message: TaskMessage) -> bool:
    """Whether code may see this message twice in Azure: an event, or a signal of a client.

    The framework removes copies of everything else, such as of signals from orchestrations.
    """
    if not isinstance(message.event, e.EventRaised):
        return False
    if not message.target.instance_id.startswith("@"):
        return not message.sender.instance_id.startswith("@")
    if message.sender != NO_SENDER:
        return False
    try:
        return read_request(message.event.input).is_signal
    except UnreadableEntityMessage:
        return False


def _entity_words(event: e.EventRaised, instance_id: str) -> str:
    if event.name == "release":
        return f"release of entity '{instance_id}'"
    try:
        request = read_request(event.input)
    except UnreadableEntityMessage:
        return f"message '{event.name}' for entity '{instance_id}'"
    if request.is_lock:
        return f"lock of entity '{instance_id}'"
    return f"{'signal' if request.is_signal else 'call'} '{request.operation}' for entity '{instance_id}'"
