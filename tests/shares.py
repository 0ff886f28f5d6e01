"""Each process of pytest-xdist collects only the files of its share, and those of a pool: `pytest -n 2 --dist each`.

Without that, each process collects all tests. Shares need about the same CPU time, by what the files needed in earlier
runs on this machine, which is in pytest's cache, or else by `seconds_of_files.json`. Run this file to write the latter.
In the pool are the files of folders without unit tests: how long they take depends on what they wait for, so each goes
to a process that has hardly anything left to do (`share_scheduling.py`).
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from share_scheduling import ShareScheduling, file_of
from tiers import has_no_unit_tests

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_CACHE = "durable_host/seconds"
_CHECKED_IN = Path(__file__).with_name("seconds_of_files.json")
_LEAST_SECONDS = 0.1
"""Files that need less are not checked in: their sizes say enough."""
_SECONDS_PER_BYTE = 6e-6
_POOL = -1
"""Instead of the number of a share."""
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
    return (
        "shares" in worker
        and path.suffix == ".py"
        and worker["shares"].get(str(path), 0) not in (worker["share"], _POOL)
    )


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
            self._seconds[file_of(item.nodeid)] += time.process_time() - before

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
        self._count = 0

    def pytest_configure_node(self, node: WorkerController) -> None:
        """A process that replaces another one has the same `spec`."""
        specs = node.nodemanager.specs
        if self._share_of is None:
            self._count = len(specs)
            self._share_of = self._divide(self._count)
        share = next(number for number, spec in enumerate(specs) if spec is node.gateway.spec)
        node.workerinput.update(shares=self._share_of, share=share)

    def pytest_xdist_make_scheduler(self, config: pytest.Config) -> ShareScheduling:
        shares = self._share_of or {}
        pooled = {
            Path(file).relative_to(config.rootpath).as_posix() for file, share in shares.items() if share == _POOL
        }
        return ShareScheduling(config, self._count, lambda test: file_of(test) in pooled)

    def pytest_testnodedown(self, node: WorkerController) -> None:
        for file, seconds in getattr(node, "workeroutput", {}).get(_CACHE, {}).items():
            self._taken[file] += seconds

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        option = self._config.option
        is_whole = self._config.args_source is pytest.Config.ArgsSource.TESTPATHS and not option.keyword
        if is_whole and not option.lf and hasattr(self._config, "cache"):
            before = self._config.cache.get(self._cache_key(), {})
            mean = {file: (seconds + before.get(file, seconds)) / 2 for file, seconds in self._taken.items()}
            self._config.cache.set(self._cache_key(), {**before, **mean})

    def _cache_key(self) -> str:
        return f"{_CACHE}/{self._config.option.markexpr or 'all'}"

    def _divide(self, shares: int) -> dict[str, int]:
        # With --lf, pytest runs all tests in a process that finds none of those that failed.
        if self._config.option.lf:
            return divide(self._expected(), 1)
        seconds = self._expected()
        pooled = [file for file in seconds if has_no_unit_tests(Path(file))]
        return divide({file: seconds[file] for file in seconds.keys() - pooled}, shares) | dict.fromkeys(pooled, _POOL)

    def _expected(self) -> dict[str, float]:
        """The seconds of each file."""
        known = json.loads(_CHECKED_IN.read_text(encoding="utf-8"))
        if hasattr(self._config, "cache"):
            known |= self._config.cache.get(self._cache_key(), {})
        root, is_unit = self._config.rootpath, self._config.option.markexpr == "unit"
        found = (path for folder in self._config.getini("testpaths") for path in (root / folder).rglob("test_*.py"))
        paths = [path for path in found if not (is_unit and has_no_unit_tests(path))]
        sizes = {path: path.stat().st_size * _SECONDS_PER_BYTE for path in paths}
        return {str(path): known.get(path.relative_to(root).as_posix(), size) for path, size in sizes.items()}


def _check_in() -> None:
    """Write what the last runs of all unit tests needed. The cache also has files that are gone."""
    cached = json.loads((Path(".pytest_cache/v") / _CACHE / "unit").read_text(encoding="utf-8"))
    seconds = {file: needed for file, needed in sorted(cached.items()) if Path(file).is_file()}
    most = {file: round(needed, 1) for file, needed in seconds.items() if needed >= _LEAST_SECONDS}
    _CHECKED_IN.write_text(json.dumps(most, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _check_in()
