"""Logs findings of the engine and the runtime about running instances, and keeps the latest for the dashboard."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress

import msgspec

from durable_host.durable.engine.diagnostic import Diagnostic

_log = logging.getLogger("Host.Triggers.DurableTask")

ABNORMALLY_LONG = "DH6201"
WORK_ITEM_FAILED = "DH6202"
UNREADABLE_HISTORY = "DH6203"
VERSION_REJECTED = "DH6204"
OTHER_GENERATION = "DH6208"
GIVEN_UP = "DH6205"
REFUSED = "DH6207"

_KEPT = 1000
_LEVELS = {"debug": logging.DEBUG, "information": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

Listener = Callable[[Diagnostic], None]


class Diagnostics:
    """Keeps a limited number of findings and passes new ones to listeners. `counts` has the totals by code."""

    def __init__(self, kept: int = _KEPT) -> None:
        self.counts: Counter[str] = Counter()
        self._recent: deque[Diagnostic] = deque(maxlen=kept)
        self._reported: deque[tuple[str, ...]] = deque(maxlen=kept)
        self._listeners: list[Listener] = []

    def report(self, finding: Diagnostic) -> None:
        """Log and keep a finding, unless it has `once` and was already reported."""
        self.counts[finding.code] += 1
        if finding.once is not None:
            if finding.once in self._reported:
                return
            self._reported.append(finding.once)
        self._recent.append(finding)
        where = f" ({finding.position})" if finding.position else ""
        _log.log(
            _LEVELS[finding.severity],
            "%s: instance '%s': %s%s",
            finding.code,
            finding.instance_id,
            finding.text,
            where,
            extra={"instance_id": finding.instance_id, "function": finding.function},
        )
        for listener in self._listeners:
            listener(finding)

    def report_all(self, findings: Iterable[Diagnostic]) -> None:
        for finding in findings:
            self.report(finding)

    def report_once(self, finding: Diagnostic) -> None:
        """Report a finding unless one with the same code was reported for the instance since the last `forget`."""
        self.report(msgspec.structs.replace(finding, once=(finding.code, finding.instance_id)))

    def forget(self, code: str, instance_id: str) -> None:
        """Report the finding again if the problem comes back."""
        with suppress(ValueError):
            self._reported.remove((code, instance_id))

    def recent(self) -> list[Diagnostic]:
        """Return the kept findings, oldest first."""
        return list(self._recent)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every new finding. Returns a function that unsubscribes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
