"""The history of an instance, with assertions whose failures show what differs."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.taskhub.azure.history_json import write_history
from durable_host.testing.history_row import (
    EPISODE_ROWS,
    HistoryRow,
    RowPattern,
    check_pattern,
    is_match,
    pattern_text,
    pattern_type,
)

__tracebackhide__ = True


class InstanceHistory:
    """The events of the current execution, oldest first. It does not change; read it again for a newer one.

    Rows that only begin or end an episode (OrchestratorStarted, OrchestratorCompleted) are left out of comparisons
    unless a pattern names them.
    """

    def __init__(self, title: str, rows: Sequence[HistoryRow], stored: Sequence[HistoryEvent]) -> None:
        self._title = title
        self._stored = stored
        self.events = list(rows)

    @property
    def types(self) -> list[str]:
        """The types of the events, without those that only begin or end an episode."""
        return [row.type for row in self.events if row.type not in EPISODE_ROWS]

    def __iter__(self) -> Iterator[HistoryRow]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def __str__(self) -> str:
        return "\n".join(f"{row.time:%Y-%m-%d %H:%M:%S}  {row}" for row in self.events)

    def save(self, path: str | Path) -> Path:
        """Write the history to a file for `assert_replays`, in the format of `func durable export`, and return it."""
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(write_history(self._stored), indent=2, ensure_ascii=False) + "\n", "utf-8")
        return file

    def assert_matches(self, expected: Sequence[RowPattern]) -> None:
        """The history has exactly these events, in this order."""
        rows = self._compared(expected)
        if len(rows) == len(expected) and all(map(is_match, expected, rows)):
            return
        lines = "\n".join(_differences(expected, rows))
        raise AssertionError(f"The history of {self._title} does not match.\n(- expected, + in the history)\n\n{lines}")

    def assert_contains(self, expected: Sequence[RowPattern] | RowPattern) -> None:
        """The history has these events in this order; others may be before, between and after them."""
        patterns = [expected] if isinstance(expected, str) or not isinstance(expected, Sequence) else list(expected)
        rows = self._compared(patterns)
        found = _subsequence(patterns, rows)
        if len(found) == len(patterns):
            return
        missing, place = pattern_text(patterns[len(found)]), f" after row {found[-1] + 1}" if found else ""
        marks = ((">" if index in found else " ", index + 1, row) for index, row in enumerate(rows))
        lines = "\n".join(f"{mark} {number:3}  {row}" for mark, number, row in marks)
        raise AssertionError(
            f"The history of {self._title} has no '{missing}'{place}.\n(> found, in this order)\n\n{lines or '(empty)'}"
        )

    def assert_not_contains(self, pattern: RowPattern) -> None:
        """The history has no such event. Raises ValueError for a type or a member that no event has."""
        check_pattern(pattern)
        for number, row in enumerate(self.events, 1):
            if is_match(pattern, row):
                raise AssertionError(
                    f"The history of {self._title} has '{pattern_text(pattern)}', in row {number}:\n\n{self}"
                )

    def _compared(self, patterns: Sequence[RowPattern]) -> list[HistoryRow]:
        named = {pattern_type(pattern) for pattern in patterns}
        return [row for row in self.events if row.type not in EPISODE_ROWS or row.type in named]


def _subsequence(patterns: Sequence[RowPattern], rows: Sequence[HistoryRow]) -> list[int]:
    """The positions of the first rows that match the patterns, in order, as far as they do."""
    found: list[int] = []
    for index, row in enumerate(rows):
        if len(found) < len(patterns) and is_match(patterns[len(found)], row):
            found.append(index)
    return found


def _differences(expected: Sequence[RowPattern], rows: Sequence[HistoryRow]) -> Iterator[str]:
    """Lines of a diff: the longest common subsequence stays."""
    lengths = [[0] * (len(rows) + 1) for _ in range(len(expected) + 1)]
    for i in reversed(range(len(expected))):
        for j in reversed(range(len(rows))):
            longer = max(lengths[i + 1][j], lengths[i][j + 1])
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if is_match(expected[i], rows[j]) else longer
    i = j = 0
    while i < len(expected) or j < len(rows):
        if i < len(expected) and j < len(rows) and is_match(expected[i], rows[j]):
            yield f"  {rows[j]}"
            i, j = i + 1, j + 1
        elif j == len(rows) or (i < len(expected) and lengths[i + 1][j] >= lengths[i][j + 1]):
            yield f"- {pattern_text(expected[i])}"
            i += 1
        else:
            yield f"+ {rows[j]}"
            j += 1
