"""What accumulates during one work item, over all its generations, until it is committed."""

from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.model.messages import TaskMessage
from durable_host.invocation.code_failure import CodeFailure


class WorkItem:
    """The scratch state of the work item in progress, owned by the OrchestrationState.

    `first_ordinal` is the position of the first event to commit. `execution_id` is the execution that was current when
    the work item began (None for a new instance).
    """

    __slots__ = (
        "custom_status_changed",
        "diagnostics",
        "execution_id",
        "failure",
        "first_ordinal",
        "is_version_refused",
        "outbound",
        "replaced_execution_id",
    )

    def __init__(self, first_ordinal: int = 0, execution_id: str | None = None) -> None:
        self.first_ordinal = first_ordinal
        self.execution_id = execution_id
        self.replaced_execution_id: str | None = None
        self.outbound: list[TaskMessage] = []
        self.diagnostics: list[Diagnostic] = []
        self.custom_status_changed = False
        self.is_version_refused = False
        self.failure: CodeFailure | None = None
