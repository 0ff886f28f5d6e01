"""Finds the timers of retries in a history of 2.x code, which a rewind has to remove together with the failures.

A retry of 2.x code repeats the number of its call, so the code would not create the timer again after a rewind.

Source: docs/protocol/durable-v2.md#suspend-terminate-rewind
"""

from collections.abc import Sequence

_CALLS = {"TaskScheduled": "TaskFailed", "SubOrchestrationInstanceCreated": "SubOrchestrationInstanceFailed"}
_FAILURES = frozenset(_CALLS.values())

Row = tuple[str, int | None]
"""Name of an event and its number: of results, the number of the call."""


def retry_timers(rows: Sequence[Row]) -> list[int]:
    """Return the indexes of all TimerCreated and TimerFired between an attempt that failed and the next one."""
    episode = 0
    failed: dict[int, set[Row]] = {}
    created: dict[int | None, tuple[int, int]] = {}
    fired: dict[int, list[tuple[int, int, int]]] = {}
    found: set[int] = set()
    for index, (name, number) in enumerate(rows):
        if name == "OrchestratorStarted":
            episode += 1
        elif name in _FAILURES:
            failed.setdefault(episode, set()).add((name, number))
        elif name == "TimerCreated":
            created[number] = (episode, index)
        elif name == "TimerFired" and number in created:
            began, at = created[number]
            fired.setdefault(episode, []).append((began, at, index))
        elif name in _CALLS:
            for began, at, end in fired.get(episode, ()):
                if (_CALLS[name], number) in failed.get(began, ()):
                    found |= {at, end}
    return sorted(found)
