"""Puts what an episode noticed into diagnostics of its work item."""

from durable_host.durable.engine import diagnostics as codes
from durable_host.durable.engine.diagnostics import Diagnostic, Severity
from durable_host.durable.engine.external_events import Finding
from durable_host.durable.engine.refusals import Refusal
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.engine.walker import NonDeterminism


class Reports:
    """The diagnostics of one episode. `position` is where the code stands, if it said so; `now` in ticks."""

    def __init__(self, state: OrchestrationState, now: int) -> None:
        self.position: str | None = None
        self._state = state
        self._now = now

    def add(
        self,
        code: str,
        severity: Severity,
        text: str,
        *,
        event_name: str | None = None,
        at: int | None = None,
        history_index: int | None = None,
    ) -> None:
        self._state.work_item.diagnostics.append(
            Diagnostic(
                code=code,
                instance_id=self._state.instance_id,
                severity=severity,
                text=text,
                timestamp=self._now if at is None else at,
                function=self._state.name,
                event_name=event_name,
                position=self.position,
                history_index=history_index,
            )
        )

    def finding(self, finding: Finding) -> None:
        self.add(finding.code, "warning", finding.text, event_name=finding.event_name, at=finding.timestamp)

    def refusal(self, refusal: Refusal) -> None:
        self.add(refusal.code, "warning", refusal.text)

    def non_determinism(self, found: NonDeterminism) -> None:
        event = found.event
        text = (
            f"{found} Expected by history row {found.history_index}: {event.event_name} {event.event_id}. Likely "
            "causes: the code was changed since the instance started; or the orchestrator reads the clock, random "
            "numbers, the environment or other outside state instead of its context."
        )
        self.position = found.position or self.position
        self.add(codes.NON_DETERMINISM, "error", text, history_index=found.history_index)
