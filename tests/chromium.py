"""A Chromium for the tests of the dashboard's page: the machine's own, or one that is installed once.

Its headless shell uses half the CPU time of the whole browser, which also opens a window for each test. It is unpacked
into the cache of the tests. As root on a Debian without any Chromium it is installed with apt. Where neither works, the
tests use the whole browser, or are skipped if there is none.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from user_cache import user_cache

from durable_host.storage.azurite.lock import exclusive

PACKAGE = "chromium-headless-shell"
WHOLE_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
INSTALL_LIMIT = 300.0
_UNPACKED = f"usr/lib/chromium/{PACKAGE}"
_SHARED_FILES = "chromium-common"
"""The package with the files that both browsers need. On a machine that has it, it is not a new one."""
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
    with exclusive(user_cache() / "chromium.lock", timeout=INSTALL_LIMIT, waiting=lambda: None):
        if (shell := _of_machine(PACKAGE) or _of_cache()) is not None:
            return shell
        try:
            _install() if whole is None and os.geteuid() == 0 else _unpack()
        except (subprocess.SubprocessError, OSError) as error:
            output = getattr(error, "stdout", None) or ""
            reason = f"There is no Chromium on PATH, and it cannot be installed: {error}\n{output[-500:]}"
            return whole or pytest.skip(reason)
    shell = _of_machine(PACKAGE) or _of_cache()
    return shell or pytest.skip("apt-get has installed Chromium, but it is not where it should be.")


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


def _unpack() -> None:
    """Unpack Chromium and the libraries that the machine does not have."""
    plan = _run("apt-get", "install", "--simulate", "--no-install-recommends", PACKAGE)
    home = user_cache() / PACKAGE
    with tempfile.TemporaryDirectory(prefix=f"{PACKAGE}-", dir=user_cache()) as work:
        packages = sorted({_SHARED_FILES, *_NEW_PACKAGE.findall(plan)})
        _run("apt-get", "download", *packages, folder=Path(work))
        root = Path(work) / "root"
        for package in Path(work).glob("*.deb"):
            _run("dpkg", "--extract", str(package), str(root))
        root.rename(home)


def _run(*command: str, folder: Path | None = None) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=INSTALL_LIMIT,
        check=True,
    )
    return done.stdout
