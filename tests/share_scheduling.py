"""A scheduler of pytest-xdist for processes that collect different files (`shares.py`)."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import filterfalse, groupby
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_AHEAD_OF_SHARE = 50
"""A process that has fewer tests gets the next file of its share, so that it need not wait. The others stay here, so
that a run ends soon after the first failure with `-x`."""
_AHEAD_OF_POOL = 3
"""For files of the pool, which may be long: a process runs a test only when it has the next one."""


def file_of(test: str) -> str:
    """The file of a node ID."""
    return test.partition("::")[0]


class ShareScheduling:
    """Each process runs the tests of its share, in the order of its collection, and then takes files from the pool.

    `shares` is how many processes there are. All of them collect the files of the pool. The process that replaces a
    crashed one collects the same share, and runs what is left of it.
    """

    def __init__(self, config: pytest.Config, shares: int, is_pooled: Callable[[str], bool]) -> None:
        self._session: pytest.Session = config.pluginmanager.get_plugin("session")
        self._is_pooled = is_pooled
        self._nodes: dict[WorkerController, int] = {}
        self._unstarted: list[WorkerController] = []
        self._collected: dict[WorkerController, dict[str, int]] = {}
        """The index of each test."""
        self._sent: dict[WorkerController, list[str]] = {}
        self._counts: dict[int, int] = {}
        """How many tests each share has."""
        self._left: dict[int, deque[list[str]]] = {}
        """The tests of each file of a share that no process has."""
        self._missing = set(range(shares))
        """Shares that no process has collected yet, or that wait for the process that replaces a crashed one."""
        self._of_pool: Sequence[str] | None = None
        self._pool: deque[list[str]] = deque()
        """The tests of each file that no process has."""
        reporter = config.pluginmanager.get_plugin("terminaldistreporter")
        if reporter is not None:
            status = reporter.getstatus
            reporter.getstatus = lambda: status() if self._missing else self._status()

    @property
    def nodes(self) -> list[WorkerController]:
        return list(self._nodes)

    @property
    def collection_is_completed(self) -> bool:
        return not self._missing

    @property
    def has_pending(self) -> bool:
        return any(self._sent.values())

    @property
    def tests_finished(self) -> bool:
        is_handed_out = not self._pool and not any(self._left.values())
        return is_handed_out and not self._missing and not self._unstarted and not self.has_pending

    def add_node(self, node: WorkerController) -> None:
        self._nodes[node] = node.workerinput["share"]

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        share = self._nodes[node]
        of_pool = [test for test in collection if self._is_pooled(test)]
        if self._of_pool is None:
            self._of_pool = of_pool
            self._pool.extend(_by_file(of_pool))
        elif of_pool != self._of_pool:
            different = sorted(set(of_pool) ^ set(self._of_pool)) or of_pool
            raise RuntimeError(f"Two processes collected different tests, or in another order: {different[0]}")
        if share not in self._counts:
            self._counts[share] = len(collection) - len(of_pool)
            self._left[share] = deque(_by_file(test for test in collection if not self._is_pooled(test)))
        self._collected[node] = {test: index for index, test in enumerate(collection)}
        self._missing.discard(share)
        self._unstarted.append(node)

    def schedule(self) -> None:
        self._session.testscollected = self._count()
        for node in self._unstarted:
            self._sent[node] = []
            self._feed(node)
        self._unstarted.clear()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        sent = self._sent[node]
        sent.remove(next(test for test in sent if self._collected[node][test] == item_index))
        self._feed(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """The test that was running, if the process has crashed: it counts as failed and is not repeated."""
        share = self._nodes.pop(node)
        if node not in self._sent:  # It was still collecting, or was to start.
            if node in self._unstarted:
                self._unstarted.remove(node)
            self._missing.add(share)
            return None
        unfinished = self._sent.pop(node)
        crashed = unfinished.pop(0) if unfinished else None
        self._pool.extendleft(reversed(_by_file(filter(self._is_pooled, unfinished))))
        self._left[share].extendleft(reversed(_by_file(filterfalse(self._is_pooled, unfinished))))
        if self._left[share]:
            self._missing.add(share)
        return crashed

    def mark_test_pending(self, item: str) -> NoReturn:
        raise NotImplementedError

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> NoReturn:
        raise NotImplementedError

    def _feed(self, node: WorkerController) -> None:
        left = self._left[self._nodes[node]]
        for files, ahead in ((left, _AHEAD_OF_SHARE), (self._pool, _AHEAD_OF_POOL)):
            while files and len(self._sent[node]) < ahead and not node.shutting_down:
                self._send(node, files.popleft())
        if not left and not self._pool and not node.shutting_down:
            node.shutdown()

    def _send(self, node: WorkerController, tests: Sequence[str]) -> None:
        self._sent[node].extend(tests)
        with contextlib.suppress(OSError):  # The process has just died: its tests come back in `remove_node`.
            node.send_runtest_some([self._collected[node][test] for test in tests])

    def _count(self) -> int:
        return len(self._of_pool or ()) + sum(self._counts.values())

    def _status(self) -> str:
        return f"{len(self._counts)} workers [{self._count()} items]"


def _by_file(tests: Iterable[str]) -> list[list[str]]:
    return [list(group) for _, group in groupby(tests, file_of)]
