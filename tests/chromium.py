"""A Chromium for the tests of the dashboard's page: the machine's own, or one that is installed once.

Its headless shell uses half the CPU time of the whole browser, which also opens a window for each test. It is unpacked
into the cache of the tests. As root on a Debian without any Chromium it is installed with apt. Where neither works, or
unpacking takes long, the tests use the whole browser, or are skipped if there is none.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from user_cache import user_cache

from durable_host.storage.azurite import AzuriteError
from durable_host.storage.azurite.lock import exclusive

PACKAGE = "chromium-headless-shell"
WHOLE_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
INSTALL_LIMIT = 300.0
UNPACK_LIMIT = 30.0
"""Where the machine has a whole browser."""
PATIENCE_WITH_OTHERS = 3.0
"""Seconds to wait for another process that unpacks, where the machine has a whole browser."""
RETRY_AFTER = 24 * 3600.0
"""Seconds after a failure to unpack."""
_UNPACKED = f"usr/lib/chromium/{PACKAGE}"
_SHARED_FILES = "chromium-common"
"""The package with the files that both browsers need. On a machine that has it, it is not a new one."""
_IMPATIENT = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10")
_NEW_PACKAGE = re.compile(r"^Inst (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Chromium:
    """The program, and variables for its environment."""

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict)


def chromium() -> Chromium:
    """Find it, or install it. Skips the test where that is not possible."""
    if (shell := _of_machine(PACKAGE) or _of_cache()) is not None:
        return shell
    whole = _of_machine(*WHOLE_BROWSERS)
    if shutil.which("apt-get") is None:
        return whole or pytest.skip("There is no Chromium on PATH, and no apt-get to install one.")
    if whole is not None:
        return _of_cache_soon() or whole
    try:
        with exclusive(_lock(), timeout=INSTALL_LIMIT, waiting=lambda: None):
            if (shell := _of_machine(PACKAGE) or _of_cache()) is not None:
                return shell
            _install() if os.geteuid() == 0 else _unpack(INSTALL_LIMIT)
    except (AzuriteError, subprocess.SubprocessError, OSError) as error:
        output = getattr(error, "stdout", None) or ""
        pytest.skip(f"There is no Chromium on PATH, and it cannot be installed: {error}\n{output[-500:]}")
    shell = _of_machine(PACKAGE) or _of_cache()
    return shell or pytest.skip("apt-get has installed Chromium, but it is not where it should be.")


def _of_cache_soon() -> Chromium | None:
    """What can be unpacked in a short time, on a machine with a whole browser. After a failure, None for a day."""
    if _has_failed():
        return None
    try:
        with exclusive(_lock(), timeout=PATIENCE_WITH_OTHERS, waiting=lambda: None):
            if _of_cache() is None and not _has_failed():
                try:
                    _unpack(UNPACK_LIMIT)
                except (subprocess.SubprocessError, OSError):
                    _failure().touch()
    except (AzuriteError, OSError):
        pass
    return _of_cache()


def _has_failed() -> bool:
    try:
        return time.time() - _failure().stat().st_mtime < RETRY_AFTER
    except OSError:
        return False


def _failure() -> Path:
    return user_cache() / f"{PACKAGE}.failed"


def _lock() -> Path:
    return user_cache() / "chromium.lock"


def _of_machine(*names: str) -> Chromium | None:
    for name in names:
        if program := shutil.which(name):
            return Chromium(Path(program))
    return None


def _of_cache() -> Chromium | None:
    root = user_cache() / PACKAGE
    if not (root / _UNPACKED).is_file():
        return None
    libraries = os.pathsep.join(str(folder) for folder in sorted(root.glob("usr/lib/*-linux-gnu*")))
    return Chromium(root / _UNPACKED, {"LD_LIBRARY_PATH": libraries} if libraries else {})


def _install() -> None:
    _run("apt-get", "update")
    _run("apt-get", "install", "--yes", "--no-install-recommends", PACKAGE)


def _unpack(limit: float) -> None:
    """Unpack Chromium and the libraries that the machine does not have, within `limit` seconds."""
    end = time.monotonic() + limit
    plan = _run("apt-get", "install", "--simulate", "--no-install-recommends", PACKAGE, end=end)
    home = user_cache() / PACKAGE
    with tempfile.TemporaryDirectory(prefix=f"{PACKAGE}-", dir=user_cache()) as work:
        packages = sorted({_SHARED_FILES, *_NEW_PACKAGE.findall(plan)})
        _run("apt-get", *_IMPATIENT, "download", *packages, folder=Path(work), end=end)
        root = Path(work) / "root"
        for package in Path(work).glob("*.deb"):
            _run("dpkg", "--extract", str(package), str(root), end=end)
        root.rename(home)


def _run(*command: str, folder: Path | None = None, end: float | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_LIMIT if end is None else end - time.monotonic(),
        check=True,
    )
    return done.stdout
