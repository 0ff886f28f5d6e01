"""The first turn of an orchestrator of the 1.x SDK, in the worker's code but without a worker process."""

import functools
import json
from collections.abc import Callable
from typing import Any

import azure.durable_functions as df

from durable_host.worker.orchestrations_v1 import OrchestrationSessions

MODES = ["live", "one_shot"]
MOMENT = "2026-01-01T00:00:00.000000Z"


def turn(orchestrator: Callable[..., Any], mode: str, input: Any = None, *more: dict[str, Any]) -> dict[str, Any]:
    """The answer to the first turn of a new instance; `input` is what the host passes on, `more` are further events."""
    event: dict[str, Any] = {"EventId": -1, "IsPlayed": False, "Timestamp": MOMENT}
    payload = {
        "history": [
            {**event, "EventType": 12},
            {**event, "EventType": 0, "Name": orchestrator.__name__, "Version": "", "Input": None},
            *({**event, **one} for one in more),
        ],
        "input": input,
        "instanceId": "i",
        "isReplaying": False,
        "parentInstanceId": None,
        "upperSchemaVersion": 1,
        "upperSchemaVersionNew": 2,
        "longRunningTimerIntervalDuration": "3.00:00:00",
        "maximumShortTimerDuration": "6.00:00:00",
        "defaultHttpAsyncRequestSleepTimeMillseconds": 30000,
    }
    handle = df.Orchestrator.create(orchestrator)
    if mode == "one_shot":
        made = handle
        handle = functools.partial(made)
        handle.__wrapped__ = made  # type: ignore[attr-defined]
    request = {"key": "k", "until": 2 + len(more), "newFrom": 0, "payload": json.dumps(payload)}
    return OrchestrationSessions().handle(request, handle)
