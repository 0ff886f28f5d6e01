"""The settings in host.json that affect episodes. Source: docs/protocol/durable-host-json.md#settings"""

from typing import Literal

import msgspec

from durable_host.timestamp import TICKS_PER_MINUTE

VersionMatch = Literal["None", "Strict", "CurrentOrOlder"]
VersionFailure = Literal["Reject", "Fail"]


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the engine.

    `activity_window` limits the outstanding activities of one instance (None: no limit). `max_timer` is the longest
    delay, in ticks, that the hub's storage supports; `entity_reorder_window` is in ticks, and 0 disables
    labels. With `keeps_gates`, an action begins only after the previous one has settled, as in Azure (see `gates`).
    """

    max_orchestration_actions: int = 100_000
    store_inputs: bool = False
    default_version: str | None = None
    version_match: VersionMatch = "CurrentOrOlder"
    version_failure: VersionFailure = "Reject"
    activity_window: int | None = None
    entity_reorder_window: int = 30 * TICKS_PER_MINUTE
    max_timer: int | None = 6 * 24 * 60 * TICKS_PER_MINUTE
    keeps_gates: bool = True
