"""Real npm packages for tests: installed once a user, and linked into the apps that a test makes.

`tests/node/packages` has one folder a set: its package.json and lock file.
"""

import hashlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from user_cache import user_cache

from durable_host.storage.azurite.lock import exclusive

SETS = Path(__file__).parent / "node" / "packages"
_INSTALL_LIMIT = 300.0


class NpmPackages:
    """The sets of packages, installed when a test first asks for one."""

    def __init__(self) -> None:
        self._installed: dict[str, Path] = {}

    def folder(self, name: str = "newest") -> Path:
        """The folder of a set, with its `node_modules`: a folder of `SETS`. Skips the test without npm."""
        if name not in self._installed:
            self._installed[name] = _installed(SETS / name)
        return self._installed[name]

    def modules(self, name: str = "newest") -> Path:
        """The `node_modules` of a set."""
        return self.folder(name) / "node_modules"

    def link(self, app: Path, name: str = "newest") -> Path:
        """Give an app the packages of a set: its `node_modules` becomes a link. Returns the app."""
        app.mkdir(parents=True, exist_ok=True)
        (app / "node_modules").symlink_to(self.modules(name), target_is_directory=True)
        return app

    def version(self, package: str, name: str = "newest") -> str:
        """The version of an installed package, as its package.json gives it."""
        return json.loads((self.modules(name) / package / "package.json").read_text("utf-8"))["version"]


def _installed(folder: Path) -> Path:
    lock_file = (folder / "package-lock.json").read_bytes()
    home = user_cache() / f"node-{folder.name}-{hashlib.sha256(lock_file).hexdigest()[:16]}"
    if home.is_dir():
        return home
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not on PATH: it installs the packages of Node.js apps")
    with exclusive(home.with_suffix(".lock"), timeout=_INSTALL_LIMIT, waiting=lambda: None):
        if not home.is_dir():
            work = Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir=home.parent))
            try:
                shutil.copytree(folder, work, dirs_exist_ok=True)
                _install(npm, work)
                work.rename(home)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return home


def _install(npm: str, work: Path) -> None:
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(
        command,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_INSTALL_LIMIT,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"npm could not install {work.name}:\n{done.stdout}", pytrace=False)
