"""Virtual environments with other SDK versions for tests and benchmarks, created once and kept in a folder."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from durable_host.storage.azurite.lock import exclusive

PYTHONS = ("3.11", "3.13")
SDKS = ("1.2.9", "1.7.0")
V2_PYTHON, V2_SDK = "3.13", "2.0.0rc3"
_LIMIT = 300.0
"""Seconds that another process may take to make an environment."""
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreters() -> dict[str, str]:
    """The required interpreters that are installed on this machine: version → path."""
    found: dict[str, str] = {}
    for wanted in PYTHONS:
        installed = sorted(Path.home().glob(f".pyenv/versions/{wanted}.*/bin/python"))
        path = installed[-1] if installed else shutil.which(f"python{wanted}")
        if wanted == OWN:
            path = sys.executable
        if path is not None:
            found[wanted] = str(path)
    return found


def v2_environment(cache: Path) -> Path:
    """The interpreter of the environment with the 2.x SDK. Raises RuntimeError with the reason if there is none."""
    if V2_PYTHON not in interpreters():
        raise RuntimeError(f"the 2.x SDK needs Python {V2_PYTHON}, which this machine does not have")
    try:
        return environment(cache, V2_PYTHON, V2_SDK)
    except RuntimeError as error:
        raise RuntimeError(f"azure-functions-durable {V2_SDK} cannot be installed: {error}") from error


def environment(cache: Path, python_version: str, sdk: str) -> Path:
    """The interpreter of an environment with that SDK, which is created if it does not exist."""
    if python_version == OWN and sdk == version("azure-functions-durable"):
        return Path(sys.executable)
    return _made(cache, python_version, sdk, interpreters()[python_version])


def app_environment(cache: Path) -> Path:
    """The interpreter of an environment with nothing but the SDKs, as an app has it. Raises RuntimeError.

    The SDK imports `openai-agents`, which takes a second, wherever it is installed: the tests need it.
    """
    return _made(cache, OWN, version("azure-functions-durable"), sys.executable)


def environment_with(packages: Sequence[str], folder: Path, python: str = sys.executable) -> Path:
    """The interpreter of the environment in `folder`, which is created with these packages if it does not exist.

    Raises RuntimeError if they cannot be installed.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.with_name(f"{folder.name}.lock"), timeout=_LIMIT, waiting=lambda: None):
            if not folder.exists():
                _make_at(folder, python, packages)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _made(cache: Path, python_version: str, sdk: str, python: str) -> Path:
    folder = cache / f"python{python_version}-durable{sdk}"
    return environment_with(("azure-functions", f"azure-functions-durable=={sdk}"), folder, python)


def _make_at(folder: Path, python: str, packages: Sequence[str]) -> None:
    made = Path(tempfile.mkdtemp(prefix="making-", dir=folder.parent))
    try:
        run_quietly(python, "-m", "venv", "--without-pip", str(made))
        pip = (sys.executable, "-m", "pip", "--python", str(made))
        run_quietly(*pip, "install", "--quiet", "--disable-pip-version-check", *packages)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def run_quietly(*command: str) -> None:
    """Run a command and raise RuntimeError with its output if it fails."""
    # Tests set it to a certificate that no registry uses.
    environ = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
