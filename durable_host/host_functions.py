"""The app's functions as this host sees them: what the catalog serves, with app settings filled in.

Source: spec/functions-host.md, sections 1.5 and 1.9. One function in error never stops the others.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from durable_host.bindings.queue_text import InvalidQueueName, queue_name
from durable_host.config import HostConfig
from durable_host.config.connections import resolve
from durable_host.config.expressions import parse
from durable_host.config.settings import AppSettings, resolve_percent
from durable_host.errors import HostError
from durable_host.invocation.catalog import build_catalog
from durable_host.invocation.metadata import Binding, FunctionMetadata, FunctionProblem, IndexResult

DURABLE_TRIGGERS = frozenset({"orchestrationtrigger", "activitytrigger", "entitytrigger"})
DURABLE_CLIENTS = frozenset({"durableclient", "orchestrationclient"})
STORAGE_BINDINGS = frozenset({"queuetrigger", "queue", "blob", "table"})
SERVED_TRIGGERS = DURABLE_TRIGGERS | {"httptrigger", "queuetrigger"}

_DEFAULT_CONNECTIONS = frozenset({"", "storage", "azurewebjobsstorage"})


class AppFunctions(msgspec.Struct, frozen=True, kw_only=True):
    """Functions in the host's order. `served` has no disabled ones. `problems` says why a function does not run;
    those of kind `not served` are no mistakes of the app.
    """

    served: tuple[FunctionMetadata, ...] = ()
    disabled: tuple[FunctionMetadata, ...] = ()
    not_served: Mapping[str, str] = {}
    errors: tuple[FunctionProblem, ...] = ()
    all: tuple[FunctionMetadata, ...] = ()

    def of_trigger(self, *kinds: str) -> tuple[FunctionMetadata, ...]:
        """Served functions whose trigger is of one of these types (lower case)."""
        return tuple(function for function in self.served if function.trigger.type.lower() in kinds)

    def with_errors(self, errors: Mapping[str, str]) -> "AppFunctions":
        """Functions that could not be started after all."""
        problems = tuple(FunctionProblem(function=name, message=text) for name, text in errors.items())
        served = tuple(function for function in self.served if function.name not in errors)
        return msgspec.structs.replace(self, served=served, errors=(*self.errors, *problems))

    @property
    def use_durable(self) -> bool:
        return self._use(DURABLE_TRIGGERS | DURABLE_CLIENTS)

    @property
    def use_host_storage(self) -> bool:
        """True when a function needs the account of AzureWebJobsStorage."""
        return self.use_durable or any(
            binding.type.lower() in STORAGE_BINDINGS
            and (binding.text("connection") or "").lower() in _DEFAULT_CONNECTIONS
            for function in self.served
            for binding in function.bindings
        )

    def _use(self, kinds: frozenset[str]) -> bool:
        return any(binding.type.lower() in kinds for function in self.served for binding in function.bindings)


def app_functions(index: IndexResult, config: HostConfig, serves: Callable[[Binding], bool]) -> AppFunctions:
    """What becomes of each indexed function."""
    catalog = build_catalog(index, serves=serves, settings=config.settings, allow_list=config.host.functions)
    errors = [error for error in catalog.errors if error.function is not None]
    resolved: dict[str, FunctionMetadata] = {}
    for function in (*catalog.functions, *catalog.disabled):
        try:
            resolved[function.name] = _resolved(function, config.settings)
        except (HostError, InvalidQueueName) as error:
            remedy = f" {error.remedy}" if isinstance(error, HostError) and error.remedy else ""
            errors.append(FunctionProblem(function=function.name, message=f"{error}{remedy}"))
    excluded = {name.casefold() for name in catalog.excluded}
    return AppFunctions(
        served=tuple(resolved[one.name] for one in catalog.functions if one.name in resolved),
        disabled=tuple(resolved[one.name] for one in catalog.disabled if one.name in resolved),
        not_served={one.function.name: one.reason for one in catalog.not_served},
        errors=tuple(errors),
        all=tuple(
            resolved.get(one.name, one)
            for one in sorted(index.functions, key=lambda one: one.name.upper())
            if one.name.casefold() not in excluded
        ),
    )


def _resolved(function: FunctionMetadata, settings: AppSettings) -> FunctionMetadata:
    """The function with app settings in place of every `%NAME%`.

    Raises for a setting or connection that is missing, a queue name that cannot be, and braces that do not match.
    """
    bindings = tuple(_with_settings(binding, settings) for binding in function.bindings)
    for binding in bindings:
        kind = binding.type.lower()
        if kind in STORAGE_BINDINGS:
            resolve(settings, binding.text("connection"))
        name = binding.text("queueName") or ""
        if kind == "queuetrigger" or (kind == "queue" and parse(name).is_static):
            queue_name(name)
        if not binding.is_trigger:
            for value in binding.properties.values():
                if isinstance(value, str):
                    parse(value)
    return msgspec.structs.replace(function, bindings=bindings)


def _with_settings(binding: Binding, settings: Mapping[str, str]) -> Binding:
    properties: dict[str, Any] = {
        name: resolve_percent(value, settings) if isinstance(value, str) else value
        for name, value in binding.properties.items()
    }
    return msgspec.structs.replace(binding, properties=properties)
