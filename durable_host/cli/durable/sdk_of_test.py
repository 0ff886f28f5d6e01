"""Whether a test of a saved history would run on the SDK that wrote it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from durable_host.cli.durable.errors import OtherSdk
from durable_host.config import HostConfig
from durable_host.durable.engine.renumbering import is_written_by_v2
from durable_host.durable.model.events import HistoryEvent
from durable_host.invocation.errors import InterpreterUnusable
from durable_host.invocation.interpreter import find_interpreter

_SETTING: Final = "durable_host_python"
_INI_FILES: Final = (
    "pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg",
)  # fmt: skip
_PACKAGE: Final = "azure_functions_durable"


def other_sdk(config: HostConfig, events: Sequence[HistoryEvent]) -> OtherSdk | None:
    """The reason why the test cannot replay the history: 2.x wrote it, and the app's environment has 1.x."""
    if config.runtime != "python" or not is_written_by_v2(events) or names_its_interpreter(config.root):
        return None
    try:
        found = find_interpreter(config.root, environ=config.settings)
    except InterpreterUnusable:
        return None
    version = sdk_version(found.path.parent.parent)
    if version is None or not version.startswith(("0.", "1.")):
        return None
    return OtherSdk(
        f"The test will not replay this history: azure-functions-durable 2.x wrote it, and tests run on {version}.",
        cause=f"The interpreter of the app is {found.path} ({found.source}), unless one is named, as with --python.",
        remedy=f"Set '{_SETTING}' in the ini file of pytest to the interpreter that the host ran the app with, or "
        "install the app's packages in .venv in its folder.",
    )


def names_its_interpreter(root: Path) -> bool:
    """Whether an ini file of the app, or of a folder above it in its repository, names an interpreter for tests."""
    for folder in (root, *root.parents):
        if any(_has_setting(folder / name) for name in _INI_FILES):
            return True
        if (folder / ".git").exists():
            return False
    return False


def _has_setting(file: Path) -> bool:
    try:
        return _SETTING in file.read_text("utf-8", "replace")
    except OSError:
        return False


def sdk_version(environment: Path) -> str | None:
    """The version of the SDK in an environment; None if it is not there, or if several Pythons share the folder."""
    folders = {environment / "Lib" / "site-packages", *environment.glob("lib/python*/site-packages")}
    present = [folder for folder in folders if folder.is_dir()]
    found = [path.name for folder in present for path in folder.glob(f"{_PACKAGE}-*.dist-info")]
    if len(present) != 1 or len(found) != 1:
        return None
    return found[0].removesuffix(".dist-info").removeprefix(f"{_PACKAGE}-")
