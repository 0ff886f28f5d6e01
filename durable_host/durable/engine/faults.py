"""Reasons for which the engine itself fails an orchestration, and answers it cannot use."""

from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.model.events import FailureDetails
from durable_host.invocation.code_failure import CodeFailure


class OrchestrationFault(Exception):
    """The orchestration fails at once, open tasks or not.

    The text becomes its result, put behind `Orchestrator function 'X' failed: ` unless `is_whole_text`. `failure` is
    the exception of user code, if that is the reason.
    """

    def __init__(
        self,
        text: str | None,
        *,
        is_whole_text: bool = False,
        details: str | None = None,
        failure_details: FailureDetails | None = None,
        diagnostic: Diagnostic | None = None,
        failure: CodeFailure | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.is_whole_text = is_whole_text
        self.details = details
        self.failure_details = failure_details
        self.diagnostic = diagnostic
        self.failure = failure


class AnswerMismatch(Exception):
    """An answer does not continue where the engine stands: the work item has to be dropped and started again."""
