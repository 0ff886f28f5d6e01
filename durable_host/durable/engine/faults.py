"""Faults that make the engine fail an orchestration, and answers that it cannot use."""

from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.model.events import FailureDetails
from durable_host.invocation.code_failure import CodeFailure


class OrchestrationFault(Exception):
    """Fails the orchestration at once, even if tasks are open.

    The text becomes its result, prefixed with `Orchestrator function 'X' failed: ` unless `is_whole_text`. `failure` is
    the exception of user code, if that is the cause.
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
    """An answer does not continue from the current state. The work item must be discarded and started again."""
