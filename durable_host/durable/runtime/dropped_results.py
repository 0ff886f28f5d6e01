"""Reports results that were dropped because their instance does not wait for them."""

from collections import OrderedDict

from durable_host.clock import Clock
from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.engine.matching import Misfit, answer_key
from durable_host.durable.engine.state import OrchestrationState
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
        reported = self._reported.setdefault(state.instance_id, set())
        self._reported.move_to_end(state.instance_id)
        if len(self._reported) > _REMEMBERED:
            self._reported.popitem(last=False)
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
