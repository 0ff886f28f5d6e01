"""Reads the `indexed` frame, which a worker sends after it has loaded the app.

Source: docs/protocol/functions-host-app.md#decorator-model, docs/protocol/functions-host-app.md#loading-errors
"""

from pathlib import Path
from typing import Any

from durable_host.invocation import retry_options
from durable_host.invocation.metadata import Binding, FunctionMetadata, FunctionProblem, IndexResult
from durable_host.invocation.python_worker import PYTHON_WORKER
from durable_host.invocation.worker_kind import WorkerKind

NOTHING_SERVED = "Azure would serve none of this app's functions: one that cannot be indexed takes down the whole app."
_OWN_ERRORS = ("FunctionLoadError", "FunctionFileError")
"""Types of errors that the worker itself raises; their texts are complete."""
_BINDING_FIELDS = ("name", "type", "direction")


def read_index(frame: dict[str, Any], kind: WorkerKind = PYTHON_WORKER, root: Path | None = None) -> IndexResult:
    """The `indexed` frame as records. A function with an invalid retry policy becomes an error.

    `root` is the folder of the app.
    """
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
        failure=kind.load_error(failure, frame) if failure is not None else None,
        warnings=tuple(frame["warnings"]),
        model=frame["model"],
        python_version=frame["python"],
        node_version=frame.get("node", ""),
        executable=frame["executable"],
        sdk_versions=frame["sdk"],
        excluded=tuple(frame.get("excluded", ())),
        hint=kind.nothing_found(root, frame) if root is not None and not functions and not errors else None,
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
    """An error of a function, which Azure's worker would refuse too.

    The text begins with the place of the error in the user's code; if there is none, it ends with the function's place.
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
