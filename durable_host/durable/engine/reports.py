"""Turns findings of an episode into diagnostics of its work item."""

from durable_host.durable.engine import diagnostic as codes
from durable_host.durable.engine.diagnostic import Diagnostic, Severity
from durable_host.durable.engine.external_events import EventFinding
from durable_host.durable.engine.gate_texts import name_of, seconds, wait_text
from durable_host.durable.engine.gates import Gate
from durable_host.durable.engine.refusals import Refusal
from durable_host.durable.engine.state import Ending, OrchestrationState
from durable_host.durable.engine.walker import NonDeterminism
from durable_host.durable.user_code import CodeDialect, CodeNote

_MAX_LISTED = 5


class Reports:
    """Adds the diagnostics of one episode. `position` is where the code stands, if known; `now` is in ticks."""

    def __init__(self, state: OrchestrationState, now: int, dialect: CodeDialect) -> None:
        self.position: str | None = None
        self._dialect = dialect
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
        once: tuple[str, ...] | None = None,
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
                once=once,
            )
        )

    def note(self, note: CodeNote) -> None:
        """Report a note about the code once per instance and place, per place or per function, by its kind."""
        function, instance_id, place = self._state.name, self._state.instance_id, note.position or ""
        text = note.text
        if note.kind in {"replayed", "questioned"}:
            text = (
                f"The orchestrator '{function}' is not kept alive between episodes, because {text}. Its episodes "
                "replay the whole history, as in Azure."
            )
        match note.kind:
            case "canceled_without_effect":
                code, severity, key = codes.CANCELED_WITHOUT_EFFECT, "warning", (instance_id, place)
            case "offset_dropped":
                code, severity, key = codes.OFFSET_DROPPED, "warning", (place,)
            case "replayed":
                code, severity, key = codes.REPLAYED_EACH_TIME, "information", (function,)
            case "questioned":
                code, severity, key = codes.REPLAYED_EACH_TIME, "debug", (function, "questioned")
        self._state.work_item.diagnostics.append(
            Diagnostic(
                code=code,
                instance_id=instance_id,
                severity=severity,
                text=text,
                timestamp=self._now,
                function=function,
                position=note.position,
                once=(code, *key),
            )
        )

    def finding(self, finding: EventFinding) -> None:
        self.add(finding.code, "warning", finding.text, event_name=finding.event_name, at=finding.timestamp)

    def refusal(self, refusal: Refusal) -> None:
        self.add(refusal.code, "warning", refusal.text)

    def waiting_timers(self, ending: Ending, *, is_continuing: bool) -> None:
        """Report that the code has ended but the instance has not, because timers are open."""
        timers = sorted((fire_at, number) for number, fire_at in self._state.open_timers.items() if fire_at > self._now)
        if not timers:
            return
        listed = [f"timer {number} at {seconds(fire_at)}" for fire_at, number in timers]
        shown = ", ".join(listed[:_MAX_LISTED])
        if len(listed) > _MAX_LISTED:
            shown += f" and {len(listed) - _MAX_LISTED} more, the last one at {seconds(timers[-1][0])}"
        open_timers = "timer has" if len(timers) == 1 else "timers have"
        advice = (
            "Cancelling a timer that is no longer needed (`timer.cancel()`, before the code ends) ends the wait; that "
            "has no effect on a timer that was created for more than six days."
        )
        if self._dialect.cancels_long_timers:
            advice = f"{advice.partition(';')[0]}."
        if any(one.code == codes.CANCELED_WITHOUT_EFFECT for one in self._state.work_item.diagnostics):
            advice = f"{codes.CANCELED_WITHOUT_EFFECT} says why cancelling did not end the wait."
        self.add(
            codes.WAITS_FOR_TIMERS,
            "warning",
            f"{self._end(ending, is_continuing=is_continuing)} until its open {open_timers} fired: {shown}. {advice}",
        )

    def held_back(self, held: Gate, closed: Gate) -> None:
        """Report that the action of `held` waits for the gate `closed`."""
        self.position = held.position or self.position
        what = f"The code of '{self._state.name}' has decided its next step ({name_of(held.action)})"
        self._gate(f"{what}, but the step does not begin yet: {wait_text(closed, self._dialect)}")

    def end_held_back(self, ending: Ending, closed: Gate, *, is_continuing: bool) -> None:
        """Report that the code has ended but the instance has not, because a gate is closed."""
        self.position = self.position or closed.position
        self._gate(f"{self._end(ending, is_continuing=is_continuing)}: {wait_text(closed, self._dialect)}")

    def _gate(self, text: str) -> None:
        once = (codes.HELD_BACK, self._state.instance_id, self.position or "")
        self.add(codes.HELD_BACK, "warning", text, once=once)

    def _end(self, ending: Ending, *, is_continuing: bool) -> str:
        """Return how the code ended although the instance has not."""
        code = f"The code of '{self._state.name}'"
        if ending.error is not None:
            error = ending.failure.text if ending.failure is not None else ending.error
            return f"{code} has raised an error ({error.partition(chr(10))[0]}), but the instance stays Running"
        if is_continuing:
            return f"{code} has continued as new, but the next generation does not begin"
        return f"{code} has returned, but the instance stays Running"

    def non_determinism(self, found: NonDeterminism) -> None:
        event = found.event
        text = (
            f"{found} Expected by history row {found.history_index}: {event.event_name} {event.event_id}. Likely "
            "causes: the code was changed since the instance started; or the orchestrator reads the clock, random "
            "numbers, the environment or other outside state instead of its context."
        )
        self.position = found.position or self.position
        self.add(codes.NON_DETERMINISM, "error", text, history_index=found.history_index)
