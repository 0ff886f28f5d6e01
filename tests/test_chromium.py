"""A machine that has a Chromium uses it where the smaller one cannot be unpacked, and does not wait for that long."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import chromium
import pytest
from user_cache import user_cache

from durable_host.storage.azurite.lock import exclusive

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are scripts of a shell")
FAILS = "echo called >> {calls}; exit 1"
HANGS = "echo called >> {calls}; exec /bin/sleep 60"
AddProgram = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A file with a line for each call of `apt-get`."""
    return tmp_path / "calls"


@pytest.fixture
def add(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> AddProgram:
    """Adds a program to a machine that has no others."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()

    def add(name: str, code: str) -> Path:
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\n{code.format(calls=calls)}\n")
        program.chmod(0o755)
        return program

    return add


@pytest.fixture
def whole(add: AddProgram) -> Path:
    return add("chromium", "")


@pytest.mark.process
def test_apt_is_asked_once_a_day(add: AddProgram, whole: Path, calls: Path) -> None:
    add("apt-get", FAILS)
    for _ in range(2):
        assert chromium.chromium().program == whole
    assert calls.read_text().splitlines() == ["called"]
    failure = user_cache() / f"{chromium.PACKAGE}.failed"
    a_day_ago = failure.stat().st_mtime - chromium.RETRY_AFTER
    os.utime(failure, (a_day_ago, a_day_ago))
    assert chromium.chromium().program == whole
    assert calls.read_text().splitlines() == ["called", "called"]


@pytest.mark.process
def test_apt_that_does_not_end_is_ended(
    add: AddProgram, whole: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("apt-get", HANGS)
    monkeypatch.setattr(chromium, "UNPACK_LIMIT", 0.2)
    assert chromium.chromium().program == whole
    assert chromium.chromium().program == whole
    assert len(calls.read_text().splitlines()) <= 1


def test_a_cache_that_cannot_be_written_is_not_needed(add: AddProgram, whole: Path, cache: Path, calls: Path) -> None:
    add("apt-get", FAILS)
    cache.touch()
    assert chromium.chromium().program == whole
    assert not calls.exists()


def test_without_a_cache_and_a_whole_browser_the_test_is_skipped(add: AddProgram, cache: Path) -> None:
    add("apt-get", FAILS)
    cache.touch()
    with pytest.raises(pytest.skip.Exception, match="cannot be written"):
        chromium.chromium()


def test_nobody_waits_while_another_process_unpacks(
    add: AddProgram, whole: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("apt-get", FAILS)
    monkeypatch.setattr(chromium, "PATIENCE_WITH_OTHERS", 0.0)
    with exclusive(user_cache() / "chromium.lock", timeout=0, waiting=lambda: None):
        assert chromium.chromium().program == whole
    assert not calls.exists()
