"""The errors for a Python app that does not load, with remedies.

Source: docs/protocol/functions-host-app.md#loading-errors
"""

import re
import sys
from pathlib import Path
from typing import Any

from durable_host.invocation.errors import AppError, AppImportFailed, DebuggerUnusable, SdkMissing
from durable_host.invocation.interpreter import install_command

_EXTENSION = re.compile(r"azurefunctions\.extensions\.([a-z]+\.[a-z]+|base)")
_PACKAGES = {"azure.durable_functions": "azure-functions-durable"}


def load_error(failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
    """The error for an app that does not load: the place in the user's code, followed by the text of Azure's worker."""
    if failure["kind"] == "sdk_missing":
        return SdkMissing(
            "The app's Python has no azure-functions package.",
            cause=f"{frame['executable']} (Python {frame['python']}) cannot import azure.functions.",
            remedy=f"Install the app's requirements into it: {_install(frame)}{_other_python(frame)}",
        )
    if failure["kind"] == "debugger_missing":
        return DebuggerUnusable(
            "The app's Python has no debugpy, which --debug needs.",
            cause=f"{frame['executable']}: {failure['message']}",
            remedy=f"Install it there: {install_command(Path(frame['executable']), 'debugpy')}",
        )
    if failure["kind"] == "debugger_failed":
        return DebuggerUnusable(
            "The debugger cannot listen.",
            cause=failure["message"],
            remedy="Stop the program that uses the port, or use another one: --debug 5679",
            code="DH4021",
        )
    text = f"{failure['type']}: {failure['message']}"
    file, line = failure.get("file"), failure.get("line")
    place = f"{file}:{line}: " if file else ""
    remedy = None
    if (module := failure.get("module")) is not None:
        package = _package_of(module, failure["stack"])
        remedy = (
            f"Add {package} to requirements.txt and install it: {_install(frame)}. If '{module}' is a file of the "
            f"app, check its name{_other_python(frame)}"
        )
    stack = failure["stack"].rstrip() or None
    return AppImportFailed(f"The function app does not load: {place}{text}", cause=stack, remedy=remedy)


def _package_of(module: str, stack: str) -> str:
    """The package for a missing module. For Azure's extensions, it is found from the import in the traceback."""
    if module.startswith("azurefunctions") and (found := _EXTENSION.search(stack)) is not None:
        return f"azurefunctions-extensions-{found[1].replace('.', '-')}"
    return _PACKAGES.get(module, f"the package that brings '{module}'")


def _install(frame: dict[str, Any]) -> str:
    return install_command(Path(frame["executable"]), "-r requirements.txt")


def _other_python(frame: dict[str, Any]) -> str:
    """A hint if the app runs on the host's Python, which may not be intended."""
    if frame["executable"] != sys.executable:
        return ""
    return ". This is the Python of the host itself; the app may have one of its own, in .venv or named with --python."
