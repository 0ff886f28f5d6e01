"""A scheduler of pytest-xdist for processes that collect different files (`shares.py`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_AHEAD = 3
"""A process that has fewer tests gets the next file, so that it need not wait: it runs a test when it has the next."""


def file_of(test: str) -> str:
    """The file of a node ID."""
    return test.partition("::")[0]


class ShareScheduling:
    """Each process runs the tests of its share, in the order of its collection, and then takes files from the pool.

    All processes collect the files of the pool. The process that replaces a crashed one collects the same share, and
    runs what is left of it.
    """

    def __init__(self, config: pytest.Config, is_pooled: Callable[[str], bool]) -> None:
        self._session: pytest.Session = config.pluginmanager.get_plugin("session")
        self._is_pooled = is_pooled
        self._nodes: dict[WorkerController, int] = {}
        self._unstarted: list[WorkerController] = []
        self._collected: dict[WorkerController, dict[str, int]] = {}
        """The index of each test."""
        self._sent: dict[WorkerController, list[str]] = {}
        self._of_shares: dict[int, Sequence[str]] = {}
        self._left: dict[int, list[str]] = {}
        """Tests of a share that no process has."""
        self._missing = set(range(config.option.numprocesses))
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
        return not (self._missing or self._unstarted or self._pool or self.has_pending)

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
        if share not in self._of_shares:
            self._of_shares[share] = [test for test in collection if not self._is_pooled(test)]
            self._left[share] = list(self._of_shares[share])
        self._collected[node] = {test: index for index, test in enumerate(collection)}
        self._missing.discard(share)
        self._unstarted.append(node)

    def schedule(self) -> None:
        self._session.testscollected = self._count()
        for node in self._unstarted:
            self._sent[node] = []
            self._send(node, self._left.pop(self._nodes[node], []))
            self._feed(node)
        self._unstarted.clear()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        sent = self._sent[node]
        sent.remove(next(test for test in sent if self._collected[node][test] == item_index))
        self._feed(node)

    def remove_node(self, node: WorkerController) -> str | None:
        """The test that was running, if the process has crashed: it counts as failed and is not repeated."""
        share = self._nodes.pop(node)
        if node in self._unstarted:
            self._unstarted.remove(node)
            self._missing.add(share)
            return None
        crashed, *left = self._sent.pop(node, None) or [None]
        unfinished = [test for test in left if test is not None]
        self._pool.extendleft(_by_file(test for test in unfinished if self._is_pooled(test)))
        if of_share := [test for test in unfinished if not self._is_pooled(test)]:
            self._left[share] = of_share
            self._missing.add(share)
        return crashed

    def mark_test_pending(self, item: str) -> NoReturn:
        raise NotImplementedError

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> NoReturn:
        raise NotImplementedError

    def _feed(self, node: WorkerController) -> None:
        while self._pool and len(self._sent[node]) < _AHEAD and not node.shutting_down:
            self._send(node, self._pool.popleft())
        if not self._pool:
            node.shutdown()

    def _send(self, node: WorkerController, tests: Sequence[str]) -> None:
        if tests:
            self._sent[node].extend(tests)
            node.send_runtest_some([self._collected[node][test] for test in tests])

    def _count(self) -> int:
        return len(self._of_pool or ()) + sum(map(len, self._of_shares.values()))

    def _status(self) -> str:
        return f"{len(self._of_shares)} workers [{self._count()} items]"


def _by_file(tests: Iterable[str]) -> list[list[str]]:
    return [list(group) for _, group in groupby(tests, file_of)]
