"""Finds errors in histories: duplicate answers, and timers that fired too early."""

from collections import Counter
from collections.abc import Sequence

from durable_host.storage import Entity

_ANSWERS = ("TaskCompleted", "TaskFailed", "TimerFired", "SubOrchestrationInstanceCompleted")
_NUMBERS = ("TaskScheduledId", "TimerId")


def doubled(rows: Sequence[Entity]) -> list[str]:
    """Descriptions of duplicate answers in a history, and of timers that fired early."""
    answers = Counter(
        (row["EventType"], row["ExecutionId"], next(row[name] for name in _NUMBERS if name in row))
        for row in rows
        if row["EventType"] in _ANSWERS
    )
    begun, early = 0, []
    for row in rows:
        if row["EventType"] == "OrchestratorStarted":
            begun = row["_Timestamp"]
        elif row["EventType"] == "TimerFired" and begun < row["FireAt"]:
            early.append(f"TimerFired {row['TimerId']} is early")
    return [
        f"{kind} {number} stands {times} times" for (kind, _, number), times in answers.items() if times > 1
    ] + early
