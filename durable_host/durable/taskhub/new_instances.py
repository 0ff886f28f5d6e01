"""Instances that cannot have a history yet, so that the first load does not have to query the table.

It is a guess that the sentinel checks: if another host has committed, the first commit conflicts, the message is
delivered again, and the second load reads the table.
"""

from collections import OrderedDict

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.messages import TaskMessage

_REMEMBERED = 20_000


class NewInstances:
    """IDs created by this process for this process. Each is new only once, and not if this process has worked on it."""

    def __init__(self) -> None:
        self._is_new: OrderedDict[str, bool] = OrderedDict()

    def add(self, instance_id: str) -> None:
        """Add an instance that was created and had no row before."""
        if instance_id not in self._is_new:
            self._remember(instance_id, is_new=True)

    def add_child(self, message: TaskMessage) -> None:
        """Add a sub-orchestration that was started, if its ID is derived from the parent's execution and so is new."""
        event = message.event
        if not isinstance(event, ExecutionStarted) or event.parent_instance is None:
            return
        parent = event.parent_instance.orchestration_instance.execution_id
        if parent and message.target.instance_id.startswith(f"{parent}:"):
            self.add(message.target.instance_id)

    def take(self, instance_id: str) -> bool:
        """Return True when the instance is new, but only once.

        The queue may deliver the start, and it may be processed, before storage has responded to the creator.
        """
        is_new = self._is_new.get(instance_id)
        if is_new is not False:
            self._remember(instance_id, is_new=False)
        return is_new is True

    def forget(self, instance_id: str) -> None:
        """Forget an instance that was purged and may be created again."""
        self._is_new.pop(instance_id, None)

    def _remember(self, instance_id: str, *, is_new: bool) -> None:
        self._is_new[instance_id] = is_new
        if len(self._is_new) > _REMEMBERED:
            self._is_new.popitem(last=False)
