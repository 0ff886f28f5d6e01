"""Builds the start summary: the listing of functions and the location of the storage."""

from collections.abc import Mapping
from pathlib import Path

from durable_host.config.connection import Connection
from durable_host.config.start_options import FunctionLine, StartSummary
from durable_host.host.functions import AbsentFunction, AppFunctions
from durable_host.host.served_app import ServedApp
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.storage.azurite.probe import address_of
from durable_host.triggers.http.trigger import function_url, methods_of, trigger_methods
from durable_host.triggers.mcp.webhook import WEBHOOK_PATH as MCP_PATH
from durable_host.web.function_json import DescribedFunction


def function_lines(functions: AppFunctions, base_url: str, prefix: str) -> tuple[FunctionLine, ...]:
    """The listing, in the host's order; functions that did not load are sorted in by name."""
    problems = _problems(functions)
    absent = {one.name: one for one in functions.absent}
    disabled = {function.name for function in functions.disabled}
    lines = [
        FunctionLine(
            name=function.name,
            kind=_kind(function),
            methods=methods_of(function) if _is_http(function) else (),
            url=function_url(function.name, function.trigger, base_url, prefix) if _is_http(function) else None,
            disabled=function.name in disabled,
            reason=problems.get(function.name),
        )
        for function in functions.all
    ]
    known = {line.name for line in lines}
    lines += [
        _unloaded_line(name, absent.get(name), text, base_url, prefix)
        for name, text in problems.items()
        if name not in known
    ]
    return tuple(sorted(lines, key=lambda line: line.name.upper()))


def _unloaded_line(name: str, function: AbsentFunction | None, reason: str, base_url: str, prefix: str) -> FunctionLine:
    """A function whose code did not load; its trigger may still be known."""
    trigger = function.trigger if function is not None else None
    failed = function is not None and function.failed_to_load
    kind = trigger.type if trigger is not None else ""
    if trigger is None or kind.lower() != "httptrigger":
        return FunctionLine(name=name, kind=kind, reason=reason, failed_to_load=failed)
    url = function_url(name, trigger, base_url, prefix)
    return FunctionLine(
        name=name, kind=kind, methods=trigger_methods(trigger), url=url, reason=reason, failed_to_load=failed
    )


def start_summary(app: ServedApp, base_url: str) -> StartSummary:
    """The parts of the start summary that depend on the app."""
    index = app.index
    return StartSummary(
        base_url=base_url,
        functions=function_lines(app.functions, base_url, app.config.host.http.route_prefix),
        mcp_url=mcp_url(app, base_url),
        python_version=index.python_version or None,
        python_path=index.executable if index.python_version else None,
        node_version=index.node_version or None,
        node_path=index.executable if index.node_version else None,
        dotnet_version=index.dotnet_version or None,
        dotnet_path=index.executable if index.dotnet_version else None,
        sdk_versions=tuple(index.sdk_versions.items()),
    )


def mcp_url(app: ServedApp, base_url: str) -> str | None:
    """The address for MCP clients; None if the app has no MCP functions."""
    return None if app.functions.mcp.is_empty else f"{base_url}{MCP_PATH}"


def described(
    functions: AppFunctions, root: Path, base_url: str, prefix: str, language: str = "python"
) -> list[DescribedFunction]:
    """The functions for the admin routes."""
    problems = _problems(functions)
    by_name: Mapping[str, FunctionMetadata] = {function.name: function for function in functions.all}
    return [
        DescribedFunction(
            name=line.name,
            metadata=by_name.get(line.name),
            root=root,
            language=language,
            url=line.url,
            is_disabled=line.disabled,
            errors=(problems[line.name],) if line.name in problems else (),
        )
        for line in function_lines(functions, base_url, prefix)
    ]


def storage_text(connection: Connection) -> str:
    """The account for people: `Azurite at 127.0.0.1:10000-10002`, or its name."""
    if not connection.is_development:
        return connection.account_name
    addresses = [
        address_of(endpoint)
        for endpoint in (connection.blob_endpoint, connection.queue_endpoint, connection.table_endpoint)
        if endpoint
    ]
    numbers = [port for _, port in addresses]
    host = addresses[0][0]
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(numbers) > 1:
        return f"Azurite at {host}:{numbers[0]}-{numbers[-1]}"
    return f"Azurite at {host}:{', '.join(map(str, numbers))}"


def _problems(functions: AppFunctions) -> dict[str, str]:
    problems = dict(functions.not_served)
    problems.update((error.function, error.message) for error in functions.errors if error.function is not None)
    return problems


def _kind(function: FunctionMetadata) -> str:
    return next((binding.type for binding in function.bindings if binding.is_trigger), "")


def _is_http(function: FunctionMetadata) -> bool:
    return _kind(function).lower() == "httptrigger"
