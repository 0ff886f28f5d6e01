"""The parts of the app's own `azure.functions` that the worker uses: converters, `Datum`, base classes.

They are imported late, because the app's interpreter may not have the package.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Coroutine
from typing import Any

from . import scope
from .http_values import HttpValues


class SdkNotInstalled(Exception):
    """The app's interpreter has no azure-functions package."""


class Sdk:
    """The SDK in use, with the classes that extend it."""

    def __init__(self) -> None:
        try:
            self.functions: Any = importlib.import_module("azure.functions")
            meta: Any = importlib.import_module("azure.functions.meta")
        except ModuleNotFoundError as error:
            if error.name not in ("azure", "azure.functions"):
                raise
            raise SdkNotInstalled from error
        self.datum: Any = meta.Datum
        self._registry: Any = meta.get_binding_registry()
        self.http = HttpValues(self.functions, self.converter("httpTrigger"), self.converter("http"))
        self.out: Any = _out_class(self.functions)
        self.context: Any = _context_class(self.functions)

    def converter(self, binding_type: str) -> Any | None:
        """The SDK's converter of a binding type; None means the generic one."""
        return self._registry.get(binding_type)


def versions() -> dict[str, str]:
    """The versions of the SDK packages that the app has imported, from their dist-info folders."""
    found: dict[str, str] = {}
    for module, distribution in (
        ("azure.functions", "azure_functions"),
        ("azure.durable_functions", "azure_functions_durable"),
        ("durabletask", "durabletask"),
    ):
        file = getattr(sys.modules.get(module), "__file__", None)
        if not file:
            continue
        folder = os.path.dirname(file)
        site_packages = folder if not module.startswith("azure.") else os.path.dirname(folder)
        prefix = distribution + "-"
        try:
            entries = os.listdir(os.path.dirname(site_packages))
        except OSError:
            continue
        for entry in entries:
            if entry.endswith(".dist-info") and entry.startswith(prefix):
                found[distribution.replace("_", "-")] = entry[len(prefix) : -len(".dist-info")]
    return found


def closing_client_session() -> Coroutine[Any, Any, None] | None:
    """Closes the HTTP session that the durable clients of the 1.x SDK share, when awaited. None if there is none."""
    http = sys.modules.get("azure.durable_functions.models.utils.http_utils")
    if getattr(http, "_client_session", None) is None:
        return None
    close = getattr(http, "_close_session", None)
    return None if close is None else close()


def _out_class(functions: Any) -> Any:
    class Out(functions.Out):  # type: ignore[misc]
        def __init__(self) -> None:
            self._value: Any = None

        def set(self, val: Any) -> None:
            self._value = val

        def get(self) -> Any:
            return self._value

    return Out


class FunctionTraceContext:
    """`context.trace_context`, with the old CamelCase names in addition to the new ones.

    Attributes are empty: only the agent of Application Insights adds them.
    """

    def __init__(self, trace_parent: str, trace_state: str) -> None:
        self.trace_parent = self.Traceparent = trace_parent
        self.trace_state = self.Tracestate = trace_state
        self.attributes: dict[str, str] = {}
        self.Attributes = self.attributes


class RpcException:
    def __init__(self, source: str = "", stack_trace: str = "", message: str = "") -> None:
        self.source = source
        self.stack_trace = stack_trace
        self.message = message


class RetryContext:
    """`context.retry_context`. The documented name is `exception`, Azure uses `rpc_exception`; both are available."""

    def __init__(self, retry_count: int, max_retry_count: int, exception: RpcException) -> None:
        self.retry_count = retry_count
        self.max_retry_count = max_retry_count
        self.exception = self.rpc_exception = exception


def _context_class(functions: Any) -> Any:
    class Context(functions.Context):  # type: ignore[misc]
        def __init__(self, request: dict[str, Any], directory: str) -> None:
            self._request = request
            self._directory = directory

        @property
        def invocation_id(self) -> str:
            return self._request["i"]

        @property
        def thread_local_storage(self) -> Any:
            return scope.thread_local_storage

        @property
        def function_name(self) -> str:
            return self._request["f"]

        @property
        def function_directory(self) -> str:
            return self._directory

        @property
        def trace_context(self) -> FunctionTraceContext:
            return FunctionTraceContext(self._request.get("tp") or "", self._request.get("ts") or "")

        @property
        def retry_context(self) -> RetryContext:
            request = self._request
            last_error: dict[str, str] = request.get("re") or {}
            error = RpcException(**last_error)
            return RetryContext(request.get("rc") or 0, request.get("mrc") or 0, error)

    return Context
