"""The one place through which everything goes that a user should know about a running instance.

Findings of the engine and of the runtime are logged and kept, newest last, for a dashboard.
"""

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
    """Bounded memory of findings; listeners get new ones at once. `counts` has all that ever came, by code."""

    def __init__(self, kept: int = _KEPT) -> None:
        self.counts: Counter[str] = Counter()
        self._recent: deque[Diagnostic] = deque(maxlen=kept)
        self._reported: deque[tuple[str, ...]] = deque(maxlen=kept)
        self._listeners: list[Listener] = []

    def report(self, finding: Diagnostic) -> None:
        """Log and keep a finding, unless it was to be logged once and has been."""
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
        """As `report`, unless the same was said of the instance before (until `forget`)."""
        self.report(msgspec.structs.replace(finding, once=(finding.code, finding.instance_id)))

    def forget(self, code: str, instance_id: str) -> None:
        """The trouble is over: say it again when it comes back."""
        with suppress(ValueError):
            self._reported.remove((code, instance_id))

    def recent(self) -> list[Diagnostic]:
        """Kept findings, oldest first."""
        return list(self._recent)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every new finding; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
