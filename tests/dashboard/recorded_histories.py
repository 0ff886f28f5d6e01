"""Histories that hosts recorded: of one orchestrator under the 1.x and the 2.x SDK, in different states.

It calls an activity, three in parallel, a child, waits for a timer of an hour, calls an activity that fails three
times, an entity, waits for `First` or a timer of an hour, and then for `Approval`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.taskhub.azure.history_json import read_history

SDKS = ("v1", "v2")
_FOLDER = Path(__file__).parent / "histories"


def recorded(sdk: str, name: str) -> Sequence[HistoryEvent]:
    """`name`: `early`, `waits`, `suspended` or `failed`."""
    return read_history(json.loads((_FOLDER / sdk / f"{name}.json").read_text("utf-8")))
