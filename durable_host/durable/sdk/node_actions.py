"""Actions of `durable-functions` for Node.js: inputs are JSON values, and the host splits timers and polls.

Source: docs/protocol/durable-actions.md#kinds-of-actions
"""

import json
from typing import Any

import msgspec

from durable_host.durable.model.actions import TimerParts
from durable_host.durable.sdk.v1_actions import TICKS_PER_MILLISECOND, ActionRules
from durable_host.timestamp import TICKS_PER_MINUTE

_DAY = 24 * 60 * TICKS_PER_MINUTE
HIGHEST_SCHEMA = 3
TIMER_PARTS = TimerParts(longest=6 * _DAY, part=3 * _DAY)


def node_rules(*, async_request_sleep_ms: int) -> ActionRules:
    """Return the rules. `async_request_sleep_ms` is the delay of a poll after a 202 without `Retry-After`."""
    return ActionRules(
        input=compact_json,
        highest_schema=HIGHEST_SCHEMA,
        timer_parts=TIMER_PARTS,
        poll_after=async_request_sleep_ms * TICKS_PER_MILLISECOND,
        counts_all_attempts=True,
    )


def compact_json(value: Any) -> str | None:
    """Return a decoded JSON value as text without whitespace, or None for an absent value and for `null`."""
    if value is None:
        return None
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
