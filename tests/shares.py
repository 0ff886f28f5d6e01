"""Each process of pytest-xdist collects and runs only the files of its share: `pytest -n 2 --dist each`.

Without that, each process collects all tests. Shares need about the same CPU time, by what the files needed in earlier
runs on this machine, which is in pytest's cache, or else by `seconds_of_files.json`. Run this file to write the latter.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from tiers import has_no_unit_tests

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_CACHE = "durable_host/seconds_of_files"
_CHECKED_IN = Path(__file__).with_name("seconds_of_files.json")
_LEAST_SECONDS = 0.1
"""Files that need less are not checked in: their sizes say enough."""
_SECONDS_PER_BYTE = 6e-6
_TOGETHER = ("architecture",)
"""Folders whose files share what takes longest: the syntax trees of the product."""


def divide(seconds: Mapping[str, float], shares: int) -> dict[str, int]:
    """The share of each file: the longest first, each to the share that has least."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(seconds):
        groups[str(Path(file).parent) if Path(file).parent.name in _TOGETHER else file].append(file)
    sums = [0.0] * shares
    share_of: dict[str, int] = {}
    for needed, files in sorted(
        ((sum(seconds[file] for file in files), files) for files in groups.values()), reverse=True
    ):
        least = sums.index(min(sums))
        sums[least] += needed
        share_of.update(dict.fromkeys(files, least))
    return share_of


def is_elsewhere(path: Path, config: pytest.Config) -> bool:
    """Whether this process is one of several, and the test file is in the share of another one."""
    worker = getattr(config, "workerinput", {})
    return "shares" in worker and path.suffix == ".py" and worker["shares"].get(str(path), 0) != worker["share"]


class SecondsOfFiles:
    """In a process of pytest-xdist: measures the CPU time that the tests of each file need."""

    def __init__(self, config: pytest.Config) -> None:
        self._output: dict[str, object] = getattr(config, "workeroutput")  # noqa: B009
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        before = time.process_time()
        try:
            return (yield)
        finally:
            self._seconds[_file_of(item.nodeid)] += time.process_time() - before

    def pytest_sessionfinish(self) -> None:
        self._output[_CACHE] = dict(self._seconds)


class EndsAtOnce:
    """In a process of pytest-xdist that runs unit tests: does not take itself to pieces when it has reported all."""

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        os._exit(0)


class Shares:
    """In the controller: divides the files, and takes the time of each for the next run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._taken: defaultdict[str, float] = defaultdict(float)
        self._share_of: dict[str, int] | None = None

    def pytest_configure_node(self, node: WorkerController) -> None:
        """A process that replaces another one has the same `spec`."""
        specs = node.nodemanager.specs
        if self._share_of is None:
            # With --lf, pytest runs all tests in a process that finds none of those that failed.
            self._share_of = divide(self._expected(), 1 if self._config.option.lf else len(specs))
        share = next(number for number, spec in enumerate(specs) if spec is node.gateway.spec)
        node.workerinput.update(shares=self._share_of, share=share)

    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> ShareScheduling:
        return ShareScheduling(config)

    def pytest_testnodedown(self, node: WorkerController) -> None:
        for file, seconds in getattr(node, "workeroutput", {}).get(_CACHE, {}).items():
            self._taken[file] += seconds

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        option = self._config.option
        is_whole = self._config.args_source is pytest.Config.ArgsSource.TESTPATHS and not option.keyword
        if is_whole and not option.lf and hasattr(self._config, "cache"):
            before = self._config.cache.get(_CACHE, {})
            mean = {file: (seconds + before.get(file, seconds)) / 2 for file, seconds in self._taken.items()}
            self._config.cache.set(_CACHE, {**before, **mean})

    def _expected(self) -> dict[str, float]:
        """The seconds of each file."""
        known = json.loads(_CHECKED_IN.read_text(encoding="utf-8"))
        if hasattr(self._config, "cache"):
            known |= self._config.cache.get(_CACHE, {})
        root, is_unit = self._config.rootpath, self._config.option.markexpr == "unit"
        found = (path for folder in self._config.getini("testpaths") for path in (root / folder).rglob("test_*.py"))
        paths = [path for path in found if not (is_unit and has_no_unit_tests(path))]
        sizes = {path: path.stat().st_size * _SECONDS_PER_BYTE for path in paths}
        return {str(path): known.get(path.relative_to(root).as_posix(), size) for path, size in sizes.items()}


class ShareScheduling:
    """A scheduler of pytest-xdist: each process runs all tests of its share, in the order of its collection.

    The process that replaces a crashed one collects the same share, and runs what is left of it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._session: pytest.Session = config.pluginmanager.get_plugin("session")
        self._nodes: dict[WorkerController, int] = {}
        self._unstarted: list[WorkerController] = []
        self._tests: list[Sequence[str]] = [()] * config.option.numprocesses
        self._left: dict[int, list[int]] = {}
        self._missing = set(range(len(self._tests)))
        """Shares that no process has collected yet, or that wait for the process that replaces a crashed one."""
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
        return any(self._left.values())

    @property
    def tests_finished(self) -> bool:
        return not self._missing and not self._unstarted and not self.has_pending

    def add_node(self, node: WorkerController) -> None:
        self._nodes[node] = node.workerinput["share"]

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        share = self._nodes[node]
        self._tests[share] = tuple(collection)
        self._missing.discard(share)
        self._unstarted.append(node)

    def schedule(self) -> None:
        self._session.testscollected = sum(map(len, self._tests))
        for node in self._unstarted:
            share = self._nodes[node]
            left = self._left.setdefault(share, list(range(len(self._tests[share]))))
            if left:
                node.send_runtest_some(left)
            node.shutdown()
        self._unstarted.clear()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        self._left[self._nodes[node]].remove(item_index)

    def remove_node(self, node: WorkerController) -> str | None:
        """The test that was running, if the process has crashed: it counts as failed and is not repeated."""
        share = self._nodes.pop(node)
        if node in self._unstarted:
            self._unstarted.remove(node)
            self._missing.add(share)
            return None
        left = self._left.get(share, [])
        crashed = self._tests[share][left.pop(0)] if left else None
        if left:
            self._missing.add(share)
        return crashed

    def mark_test_pending(self, item: str) -> NoReturn:
        raise NotImplementedError

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> NoReturn:
        raise NotImplementedError

    def _status(self) -> str:
        return f"{len(self._tests)} workers [{sum(map(len, self._tests))} items]"


def _file_of(node_id: str) -> str:
    return node_id.partition("::")[0]


def _check_in() -> None:
    """Write what the last runs of all unit tests needed. The cache also has files that are gone."""
    cached = json.loads((Path(".pytest_cache/v") / _CACHE).read_text(encoding="utf-8"))
    seconds = {file: needed for file, needed in sorted(cached.items()) if Path(file).is_file()}
    most = {file: round(needed, 1) for file, needed in seconds.items() if needed >= _LEAST_SECONDS}
    _CHECKED_IN.write_text(json.dumps(most, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _check_in()
