"""Instances that cannot have a history yet, so that the first load of one need not ask the table.

It is a guess that the sentinel checks: if another host committed meanwhile, the first commit conflicts, the message
comes again, and the second load reads.
"""

from collections import OrderedDict

from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.messages import TaskMessage

_REMEMBERED = 20_000


class NewInstances:
    """IDs that were created by this process for this process; each is new once only, and none that it has worked on."""

    def __init__(self) -> None:
        self._is_new: OrderedDict[str, bool] = OrderedDict()

    def add(self, instance_id: str) -> None:
        """An instance was created that had no row."""
        if instance_id not in self._is_new:
            self._remember(instance_id, is_new=True)

    def add_child(self, message: TaskMessage) -> None:
        """A sub-orchestration was started; only IDs that are made from the parent's execution are known to be new."""
        event = message.event
        if not isinstance(event, ExecutionStarted) or event.parent_instance is None:
            return
        parent = event.parent_instance.orchestration_instance.execution_id
        if parent and message.target.instance_id.startswith(f"{parent}:"):
            self.add(message.target.instance_id)

    def take(self, instance_id: str) -> bool:
        """True when the instance is new; not a second time. Its start may come from its queue, and be carried out,
        before storage has answered the creator.
        """
        is_new = self._is_new.get(instance_id)
        if is_new is not False:
            self._remember(instance_id, is_new=False)
        return is_new is True

    def forget(self, instance_id: str) -> None:
        """The instance was purged and may be created again."""
        self._is_new.pop(instance_id, None)

    def _remember(self, instance_id: str, *, is_new: bool) -> None:
        self._is_new[instance_id] = is_new
        if len(self._is_new) > _REMEMBERED:
            self._is_new.popitem(last=False)
