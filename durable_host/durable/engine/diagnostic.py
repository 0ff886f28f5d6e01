"""A finding of the engine that a user should know about. The runtime collects and logs them in one place."""

from typing import Literal

import msgspec

Severity = Literal["debug", "information", "warning", "error"]

NON_DETERMINISM = "DH6101"
EARLY_EVENT_LOST = "DH6110"
EARLY_EVENT_DOUBLED = "DH6111"
EVENT_CASE_DIFFERS = "DH6112"
EVENT_NEVER_CONSUMED = "DH6113"
RESULT_DROPPED = "DH6114"
EVENT_DROPPED = "DH6115"
MISSING_FUNCTION = "DH6120"
BAD_INSTANCE_ID = "DH6121"
VERSION_MISMATCH = "DH6130"
CUSTOM_STATUS_TOO_LARGE = "DH6131"
CODE_WARNING = "DH6140"
CANCELED_WITHOUT_EFFECT = "DH6144"
OFFSET_DROPPED = "DH6145"
REPLAYED_EACH_TIME = "DH6146"
WAITS_FOR_TIMERS = "DH6160"
HELD_BACK = "DH6161"


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One finding about one instance.

    `timestamp` is in ticks. `position` is where the orchestrator stands, as `file:line in function`. `history_index` is
    the position of the history event concerned. A finding with `once` is reported only once per key.
    """

    code: str
    instance_id: str
    severity: Severity
    text: str
    timestamp: int
    function: str = ""
    event_name: str | None = None
    position: str | None = None
    history_index: int | None = None
    once: tuple[str, ...] | None = None
