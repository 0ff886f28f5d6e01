"""The loaded functions of the app, and their description for the host."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import failures
from .deferred import marked
from .signature import Signature


@dataclass(frozen=True)
class LoadedFunction:
    """A function that can be run. `directory` is the value of `context.function_directory`."""

    name: str
    function: Callable[..., Any]
    signature: Signature
    bindings: list[dict[str, Any]]
    directory: str
    script_file: str
    entry_point: str
    retry: dict[str, Any] | None = None
    http_type: str = "function"
    disabled: bool | str | None = None
    asgi_app: Any = None

    @property
    def requires_grpc(self) -> bool:
        """Whether it is a durable function of the 2.x SDK."""
        return any(binding.get("durableRequiresGrpc") is True for binding in self.bindings)

    def describe(self) -> dict[str, Any]:
        file, line = source_of(self.function)
        return {
            "name": self.name,
            "bindings": [marked(binding, self._is_deferred(binding["name"])) for binding in self.bindings],
            "directory": self.directory,
            "script_file": self.script_file,
            "entry_point": self.entry_point,
            "retry": self.retry,
            "is_async": self.signature.is_async,
            "refused_annotations": self.signature.refused_annotations,
            "http_type": self.http_type,
            "streams_http": self.signature.request is not None,
            "disabled": self.disabled,
            "source_file": file,
            "source_line": line,
        }

    def _is_deferred(self, parameter: str) -> bool:
        known = self.signature.inputs.get(parameter)
        return known is not None and known.is_deferred


@dataclass
class LoadedApp:
    """The result of indexing: functions by name, errors of single functions, or an error of the whole app.

    `excluded` are functions of the app that were not loaded, because the host serves only others.
    """

    functions: dict[str, LoadedFunction] = field(default_factory=dict[str, LoadedFunction])
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    failure: dict[str, Any] | None = None
    warnings: list[str] = field(default_factory=list[str])
    excluded: list[str] = field(default_factory=list[str])
    model: str = "none"
    sdk: Any = None

    def add_error(
        self,
        function: str,
        error: BaseException,
        root: str,
        *,
        hint: str = "",
        bindings: list[dict[str, Any]] | None = None,
        code: Any = None,
    ) -> None:
        """Add the error of a function.

        `hint` is appended to the text; `bindings` and `code` are those of the function, as far as known.
        """
        failure = failures.describe(error, root)
        if hint:
            failure["message"] = f"{failure['message'].rstrip('.')}. {hint}"
        self.errors.append({"function": function, **failure, "bindings": bindings or [], "source": source_of(code)})


def user_code(function: Any) -> Any:
    """The function that the user wrote, without the SDKs' wrappers."""
    for _ in range(20):
        for marker in ("client_function", "orchestrator_function", "entity_function", "__wrapped__"):
            inner = getattr(function, marker, None)
            if callable(inner):
                function = inner
                break
        else:
            break
    return function


def source_of(function: Any) -> tuple[str | None, int | None]:
    """The file and line where a function's user code begins."""
    code = getattr(user_code(function), "__code__", None)
    if code is None:
        return None, None
    return os.path.abspath(code.co_filename), code.co_firstlineno


def directory_of(function: Any, root: str) -> str:
    """The folder of the file that defines the function; the app's root for code of the SDK."""
    try:
        file = inspect.getfile(user_code(function))
    except TypeError:
        return root
    folder = os.path.dirname(os.path.abspath(file))
    is_inside = folder == root or folder.startswith(root + os.sep)
    return folder if is_inside and f"{os.sep}site-packages" not in folder else root
