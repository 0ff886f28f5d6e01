"""Reports results that their instance does not wait for, and events that arrived after its end."""

from collections import OrderedDict
from collections.abc import Iterable

from durable_host.clock import Clock
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.matching import Misfit, answer_key, is_from_entity
from durable_host.durable.engine.state import OrchestrationState
from durable_host.durable.model.events import EventRaised
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.diagnostics import Diagnostics

MAX_REPORTED = 10
_REMEMBERED = 1000


class DroppedResults:
    """Counts dropped results. Reports each once per instance and call, and at most `MAX_REPORTED` per instance."""

    def __init__(self, diagnostics: Diagnostics, clock: Clock) -> None:
        self._diagnostics = diagnostics
        self._clock = clock
        self._reported: OrderedDict[str, set[str]] = OrderedDict()

    def report(self, state: OrchestrationState, message: TaskMessage, misfit: Misfit) -> None:
        """Report a message for the execution `state` as dropped. Only copies are expected, after faults."""
        reported = self._reported_of(state)
        call = f"{answer_key(message)} {misfit.is_copy}"
        if call in reported or len(reported) > MAX_REPORTED:
            self._diagnostics.counts[codes.RESULT_DROPPED] += 1
            return
        reported.add(call)
        event, sender = message.event.event_name, message.sender.instance_id
        text = (
            f"{event} from {repr(sender) if sender else 'a client'} was dropped. It does not complete {misfit.what}: "
            f"{misfit.why}."
        )
        if len(reported) > MAX_REPORTED:
            text = f"{MAX_REPORTED} results for this instance were dropped. Further ones are not listed."
        self._diagnostics.report(
            Diagnostic(
                code=codes.RESULT_DROPPED,
                instance_id=state.instance_id,
                severity="information" if misfit.is_copy else "warning",
                text=text,
                timestamp=self._clock.now(),
                function=state.name,
            )
        )

    def report_late(self, state: OrchestrationState, messages: Iterable[TaskMessage]) -> None:
        """Report external events that were dropped because the execution `state` has ended, for the dashboard."""
        for message in messages:
            event = message.event
            if not isinstance(event, EventRaised) or is_from_entity(message):
                continue
            reported = self._reported_of(state)
            if len(reported) > MAX_REPORTED:
                self._diagnostics.counts[codes.EVENT_DROPPED] += 1
                continue
            reported.add(f"{len(reported)} {event.name}")
            self._diagnostics.report(
                Diagnostic(
                    code=codes.EVENT_DROPPED,
                    instance_id=state.instance_id,
                    severity="debug",
                    text=f"The event '{event.name}' was dropped: it arrived after the orchestration had ended as "
                    f"{state.status.name}.",
                    timestamp=event.timestamp,
                    function=state.name,
                    event_name=event.name,
                )
            )

    def _reported_of(self, state: OrchestrationState) -> set[str]:
        reported = self._reported.setdefault(state.instance_id, set())
        self._reported.move_to_end(state.instance_id)
        if len(self._reported) > _REMEMBERED:
            self._reported.popitem(last=False)
        return reported
