"""The runtime status of an orchestration instance, with DurableTask.Core's names and numbers."""

from enum import IntEnum


class OrchestrationStatus(IntEnum):
    """A runtime status. JSON messages contain its number, table rows and HTTP responses its name."""

    Running = 0
    Completed = 1
    ContinuedAsNew = 2
    Failed = 3
    Canceled = 4
    Terminated = 5
    Pending = 6
    Suspended = 7

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL_STATUSES


TERMINAL_STATUSES = frozenset(
    {
        OrchestrationStatus.Completed,
        OrchestrationStatus.Failed,
        OrchestrationStatus.Canceled,
        OrchestrationStatus.Terminated,
    }
)
