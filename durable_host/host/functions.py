"""Decides which functions of the app this host serves, resolves their app settings, and explains why others do not run.

One function in error never stops the others.

Source: docs/protocol/functions-host-app.md#binding-checks,
    docs/protocol/functions-host-app.md#disabled-functions,
    docs/protocol/functions-host-app.md#order-and-selection,
    docs/protocol/functions-host-expressions.md#settings-in-bindings
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from durable_host.bindings.mcp_tool_property import TOOL_PROPERTY
from durable_host.bindings.queue_text import InvalidQueueName, queue_name
from durable_host.config import HostConfig
from durable_host.config.connections import require, require_name, resolve
from durable_host.config.expressions import parse
from durable_host.config.settings import AppSettings, is_true, resolve_percent
from durable_host.errors import HostError
from durable_host.host.binding_types import has_own_extensions, unregistered
from durable_host.host.function_mistakes import find_mistake
from durable_host.invocation.metadata import Binding, FunctionMetadata, FunctionProblem, IndexResult
from durable_host.triggers.blob.target import blob_pattern
from durable_host.triggers.mcp.catalog import LITERAL_TEXTS, MCP_TRIGGERS, McpCatalog, mcp_catalog
from durable_host.triggers.timer.trigger import schedule_of
from durable_host.triggers.timer.zone import UTC_ZONE

DURABLE_TRIGGERS = frozenset({"orchestrationtrigger", "activitytrigger", "entitytrigger"})
DURABLE_CLIENTS = frozenset({"durableclient", "orchestrationclient"})
STORAGE_BINDINGS = {"queuetrigger": "queue", "blobtrigger": "blob", "queue": "queue", "blob": "blob", "table": "table"}
"""The storage bindings, and the service of the account that each needs."""
SERVED_TRIGGERS = (
    DURABLE_TRIGGERS
    | MCP_TRIGGERS
    | {"httptrigger", "queuetrigger", "timertrigger", "blobtrigger", "eventgridtrigger", "warmuptrigger"}
)


class AbsentFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the app that cannot be called. `trigger` is None if it is not known.

    `failed_to_load`: Azure lists and routes the function anyway, and each call fails.
    """

    name: str
    reason: str
    trigger: Binding | None = None
    failed_to_load: bool = False


class AppFunctions(msgspec.Struct, frozen=True, kw_only=True):
    """Functions in the host's order.

    `served` has no disabled functions. `errors` and `not_served` give reasons why functions do not run; `not_served`
    are not mistakes in the app. `excluded` are functions left out by a list of functions. `all` are the functions
    whose code was loaded.
    """

    served: tuple[FunctionMetadata, ...] = ()
    disabled: tuple[FunctionMetadata, ...] = ()
    not_served: Mapping[str, str] = {}
    errors: tuple[FunctionProblem, ...] = ()
    all: tuple[FunctionMetadata, ...] = ()
    excluded: tuple[str, ...] = ()
    model: str = "v2"
    mcp: McpCatalog = McpCatalog()
    """The tools, resources and prompts of the served functions, for MCP clients."""

    @property
    def absent(self) -> tuple[AbsentFunction, ...]:
        """The functions that cannot be called, with reasons."""
        loaded = {function.name: function for function in self.all}
        found = [
            AbsentFunction(name=name, reason=reason, trigger=_trigger_of(loaded.get(name)))
            for name, reason in self.not_served.items()
        ]
        found += [
            AbsentFunction(
                name=error.function,
                reason=error.message,
                trigger=error.trigger or _trigger_of(loaded.get(error.function)),
                failed_to_load=self.model in ("v1", "isolated") and error.function not in loaded,
            )
            for error in self.errors
            if error.function is not None
        ]
        found += [
            AbsentFunction(name=function.name, reason="it is disabled", trigger=function.trigger)
            for function in self.disabled
        ]
        return (
            *found,
            *(AbsentFunction(name=name, reason="it is not in the list of functions to run") for name in self.excluded),
        )

    def of_trigger(self, *kinds: str) -> tuple[FunctionMetadata, ...]:
        """Served functions with a trigger of one of these types (lower case)."""
        return tuple(function for function in self.served if function.trigger.type.lower() in kinds)

    def disabled_of_trigger(self, kind: str) -> tuple[FunctionMetadata, ...]:
        """Disabled functions with this trigger. HTTP functions still respond: every local caller is an admin."""
        return tuple(function for function in self.disabled if function.trigger.type.lower() == kind)

    def with_errors(self, errors: Mapping[str, str]) -> "AppFunctions":
        """These functions, with `errors` added for those that could not be started."""
        problems = tuple(FunctionProblem(function=name, message=text) for name, text in errors.items())
        served = tuple(function for function in self.served if function.name not in errors)
        return msgspec.structs.replace(self, served=served, errors=(*self.errors, *problems))

    @property
    def use_durable(self) -> bool:
        kinds = DURABLE_TRIGGERS | DURABLE_CLIENTS
        return any(binding.type.lower() in kinds for function in self.served for binding in function.bindings)

    @property
    def connection_names(self) -> frozenset[str]:
        """The connections of the served functions' storage bindings; the empty text is the default one.

        Blob triggers store receipts and messages in the default account, even if the blobs are in another one.
        """
        found = {
            binding.text("connection") or ""
            for function in self.served
            for binding in function.bindings
            if binding.type.lower() in STORAGE_BINDINGS
        }
        return frozenset(found | {""} if self.of_trigger("blobtrigger") else found)


def app_functions(index: IndexResult, config: HostConfig, serves: Callable[[Binding], bool]) -> AppFunctions:
    """Sort the indexed functions into served ones, disabled ones, and those that do not run."""
    allowed = None if config.host.functions is None else {name.casefold() for name in config.host.functions}
    mistake_in = _mistake_finder(config)
    served: list[FunctionMetadata] = []
    disabled: list[FunctionMetadata] = []
    errors, seen = _load_errors(index, mistake_in)
    excluded = list(index.excluded)
    not_served: dict[str, str] = {}
    for function in sorted(index.functions, key=_order):
        if allowed is not None and function.name.casefold() not in allowed:
            excluded.append(function.name)
            continue
        unknown = [binding.type for binding in function.bindings if not serves(binding)]
        mistake = mistake_in(function)
        if mistake is None and unknown:
            names = " and no ".join(f"'{name}'" for name in dict.fromkeys(unknown))
            not_served[function.name] = f"this host has no {names}"
        elif mistake is None:
            try:
                function = _resolved(function, config.settings)
                (disabled if is_disabled(function, config.settings) else served).append(function)
            except (HostError, InvalidQueueName) as error:
                mistake = f"{error} {getattr(error, 'remedy', None) or ''}".rstrip()
        if mistake is not None:
            errors.append(FunctionProblem(function=function.name, message=mistake))
        seen.append(function)
    catalog, mistakes = mcp_catalog(served)
    functions = AppFunctions(
        served=tuple(served),
        disabled=tuple(disabled),
        not_served=not_served,
        errors=tuple(errors),
        all=tuple(sorted(seen, key=_order)),
        excluded=tuple(excluded),
        model=index.model,
        mcp=catalog,
    )
    return functions.with_errors(mistakes) if mistakes else functions


def is_disabled(function: FunctionMetadata, settings: Mapping[str, str]) -> bool:
    """Whether `AzureWebJobs.<Fn>.Disabled` or `AzureWebJobs_<Fn>_Disabled` is set. function.json is not considered."""
    names = (f"AzureWebJobs.{function.name}.Disabled", f"AzureWebJobs_{function.name}_Disabled")
    return next((is_true(settings, name) for name in names if name in settings), False)


def _order(function: FunctionMetadata) -> str:
    return function.name.upper()


def _mistake_finder(config: HostConfig) -> Callable[[FunctionMetadata], str | None]:
    """Returns the mistake in a function, or None. An app with its own extensions may have bindings of any type."""
    has_bundle, brings_extensions = "extensionBundle" in config.host.raw, has_own_extensions(config.root)

    def mistake_in(function: FunctionMetadata) -> str | None:
        if (mistake := find_mistake(function)) is not None or brings_extensions:
            return mistake
        return unregistered((binding.type for binding in function.bindings), has_bundle=has_bundle)

    return mistake_in


def _load_errors(
    index: IndexResult, mistake_in: Callable[[FunctionMetadata], str | None]
) -> tuple[list[FunctionProblem], list[FunctionMetadata]]:
    """The errors of functions that did not load, and the functions whose function.json explains that."""
    errors: list[FunctionProblem] = []
    seen: list[FunctionMetadata] = []
    for error in index.errors:
        function = _of_function_json(error, index.model)
        if function is not None and (mistake := mistake_in(function)) is not None:
            errors.append(FunctionProblem(function=function.name, message=mistake))
            seen.append(function)
        elif error.function is not None:
            errors.append(error)
    return errors, seen


def _of_function_json(error: FunctionProblem, model: str) -> FunctionMetadata | None:
    """The function.json of a function in error. Azure's host reports its mistakes before the worker loads the code."""
    if model != "v1" or error.function is None or not error.bindings:
        return None
    return FunctionMetadata(name=error.function, bindings=error.bindings)


def _trigger_of(function: FunctionMetadata | None) -> Binding | None:
    return (
        next((binding for binding in function.bindings if binding.is_trigger), None) if function is not None else None
    )


def _resolved(function: FunctionMetadata, settings: AppSettings) -> FunctionMetadata:
    """The function with every `%NAME%` replaced by the app setting.

    Raises for a missing setting or connection, an invalid queue name, schedule or path, and unbalanced braces.
    """
    for binding in function.bindings:
        if binding.type.lower() in STORAGE_BINDINGS.keys() | DURABLE_CLIENTS:
            require_name(binding.text("connection") or binding.text("connectionName") or "")
    bindings = tuple(_with_settings(binding, settings) for binding in function.bindings)
    for binding in bindings:
        kind = binding.type.lower()
        if kind in STORAGE_BINDINGS:
            require(resolve(settings, binding.text("connection")), STORAGE_BINDINGS[kind])
        name = binding.text("queueName") or ""
        if kind == "queuetrigger" or (kind == "queue" and parse(name).is_static):
            queue_name(name)
        if kind == "timertrigger":
            schedule_of(binding, UTC_ZONE)
        if kind == "blobtrigger":
            blob_pattern(binding)
            for service in ("blob", "queue"):
                require(resolve(settings, None), service)
        if not binding.is_trigger:
            literal = _literal(binding)
            for name, value in binding.properties.items():
                if isinstance(value, str) and name not in literal:
                    parse(value)
    return msgspec.structs.replace(function, bindings=bindings)


def _with_settings(binding: Binding, settings: Mapping[str, str]) -> Binding:
    literal = _literal(binding)
    properties: dict[str, Any] = {
        name: resolve_percent(value, settings) if isinstance(value, str) and name not in literal else value
        for name, value in binding.properties.items()
    }
    return msgspec.structs.replace(binding, properties=properties)


def _literal(binding: Binding) -> frozenset[str]:
    """Properties with texts for people, in which nothing is replaced."""
    return LITERAL_TEXTS if binding.type.lower() in MCP_TRIGGERS | {TOOL_PROPERTY} else frozenset()
