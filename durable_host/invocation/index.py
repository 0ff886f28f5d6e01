"""Reads what a worker reports after it has loaded the app.

Source: docs/protocol/functions-host-app.md#decorator-model, docs/protocol/functions-host-app.md#loading-errors
"""

import re
import sys
from pathlib import Path
from typing import Any

from durable_host.invocation import retry_options
from durable_host.invocation.errors import AppError, AppImportFailed, DebuggerUnusable, SdkMissing
from durable_host.invocation.interpreter import install_command
from durable_host.invocation.metadata import Binding, FunctionMetadata, FunctionProblem, IndexResult

NOTHING_SERVED = "Azure would serve none of this app's functions: one that cannot be indexed takes down the whole app."
_OWN_ERRORS = ("FunctionLoadError", "FunctionFileError")
"""Of the worker itself: their texts are complete."""
_BINDING_FIELDS = ("name", "type", "direction")
_EXTENSION = re.compile(r"azurefunctions\.extensions\.([a-z]+\.[a-z]+|base)")
_PACKAGES = {"azure.durable_functions": "azure-functions-durable"}


def read_index(frame: dict[str, Any]) -> IndexResult:
    """The `indexed` frame as records; a function whose retry policy cannot be read becomes an error."""
    functions: list[FunctionMetadata] = []
    errors = [_problem(error, frame["model"]) for error in frame["errors"]]
    for entry in frame["functions"]:
        try:
            functions.append(_function(entry))
        except ValueError as error:
            bindings = tuple(_binding(binding) for binding in entry["bindings"])
            message = f"{type(error).__name__}: {error}"
            errors.append(FunctionProblem(function=entry["name"], message=message, bindings=bindings))
    failure = frame["failure"]
    return IndexResult(
        functions=tuple(functions),
        errors=tuple(errors),
        failure=_failure(failure, frame) if failure is not None else None,
        warnings=tuple(frame["warnings"]),
        model=frame["model"],
        python_version=frame["python"],
        executable=frame["executable"],
        sdk_versions=frame["sdk"],
        excluded=tuple(frame.get("excluded", ())),
    )


def _function(entry: dict[str, Any]) -> FunctionMetadata:
    fields = {name: entry[name] for name in entry if name not in ("bindings", "retry")}
    return FunctionMetadata(
        bindings=tuple(_binding(binding) for binding in entry["bindings"]),
        retry=retry_options.from_worker(entry["retry"]),
        **fields,
    )


def _binding(entry: dict[str, Any]) -> Binding:
    properties = {name: value for name, value in entry.items() if name not in _BINDING_FIELDS}
    return Binding(name=entry["name"], type=entry["type"], direction=entry["direction"], properties=properties)


def _problem(error: dict[str, Any], model: str) -> FunctionProblem:
    """A function that Azure's worker would refuse, too. The place of an error in the user's code comes first; where
    there is none, the place of the function comes last.
    """
    message = error["message"] if error["type"] in _OWN_ERRORS else f"{error['type']}: {error['message']}"
    source_file, source_line = error.get("source") or (None, None)
    if error.get("file"):
        message = f"{error['file']}:{error['line']}: {message}"
    elif source_file:
        message = f"{message.rstrip('.')} ({source_file}:{source_line})"
    if model == "v2":
        message = f"{message.rstrip('.')}. {NOTHING_SERVED}"
    return FunctionProblem(
        function=error.get("function"),
        message=message,
        stack=error["stack"],
        file=error.get("file"),
        line=error.get("line"),
        bindings=tuple(_binding(binding) for binding in error.get("bindings", ())),
    )


def _failure(failure: dict[str, Any], frame: dict[str, Any]) -> AppError:
    """The app as a whole does not load. The place in the user's code comes first, then the reference's text."""
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
    """What to install for a module that is missing. Of Azure's extensions the import in the traceback tells which."""
    if module.startswith("azurefunctions") and (found := _EXTENSION.search(stack)) is not None:
        return f"azurefunctions-extensions-{found[1].replace('.', '-')}"
    return _PACKAGES.get(module, f"the package that brings '{module}'")


def _install(frame: dict[str, Any]) -> str:
    return install_command(Path(frame["executable"]), "-r requirements.txt")


def _other_python(frame: dict[str, Any]) -> str:
    """The app may not have been meant to run on the Python of the host."""
    if frame["executable"] != sys.executable:
        return ""
    return ". This is the Python of the host itself; the app may have one of its own, in .venv or named with --python."
