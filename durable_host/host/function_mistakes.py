"""Finds mistakes in the names and bindings of functions.

Source: docs/protocol/functions-host-app.md#binding-checks
"""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

from durable_host.config.suggestion import closest
from durable_host.invocation.metadata import Binding, FunctionMetadata

_VALUES: Mapping[str, tuple[frozenset[str] | None, tuple[str, ...]]] = {
    "authLevel": (frozenset({"httptrigger"}), ("anonymous", "function", "user", "system", "admin")),
    "dataType": (None, ("undefined", "string", "binary", "stream")),
    "cardinality": (None, ("one", "many")),
    "accessRights": (None, ("manage", "listen")),
    "source": (frozenset({"blobtrigger"}), ("LogsAndContainerScan", "EventGrid")),
}
"""Properties with a fixed set of values, ignoring case, and the binding types that have them (None: all)."""
_FUNCTION_NAME = re.compile(r"[a-z][a-z0-9_\-]{0,127}", re.IGNORECASE)
_BINDING_NAME = re.compile(r"(?!.*__)([a-zA-Z_][a-zA-Z0-9_]{0,127})|\$return")


def find_mistake(function: FunctionMetadata) -> str | None:
    """The error in a function's name or bindings, with the texts of the Functions host, or None."""
    if not _FUNCTION_NAME.fullmatch(function.name) or function.name.lower() == "host":
        return f"'{function.name}' is not a valid function name."
    if not function.bindings:
        return "At least one binding must be declared."
    for binding in function.bindings:
        if not _BINDING_NAME.fullmatch(binding.name):
            reason = " It contains two underscores in a row." if "__" in binding.name else ""
            return f"The binding name {binding.name} is invalid. Please assign a valid name to the binding.{reason}"
        if not binding.type:
            return f"The binding '{binding.name}' has no type."
        if binding.direction not in ("in", "out"):
            return f"'{binding.direction}' is not a valid binding direction."
        if (mistake := _mistake_in_values(binding)) is not None:
            return mistake
    names = Counter(binding.name.lower() for binding in function.bindings)
    for binding in function.bindings:
        if names[binding.name.lower()] > 1:
            return f"Multiple bindings with name '{binding.name}' discovered. Binding names must be unique."
    triggers = sum(binding.is_trigger for binding in function.bindings)
    if triggers == 0:
        return "No trigger binding specified. A function must have a trigger input binding."
    if triggers > 1:
        return "Multiple trigger bindings defined. A function can only have a single trigger binding."
    return None


def _mistake_in_values(binding: Binding) -> str | None:
    """The error for a value that Azure's host cannot read, or None. Decorators and function.json do not check them all.

    Values that name an app setting are not checked.
    """
    kind = binding.type.lower()
    for name, (types, allowed) in _VALUES.items():
        value = binding.properties.get(name)
        if value is None or (types is not None and kind not in types) or "%" in str(value):
            continue
        if not isinstance(value, str) or value.lower() not in (one.lower() for one in allowed):
            close = closest(str(value), allowed)
            remedy = f"write '{close}'" if close else f"it takes {', '.join(allowed[:-1])} or {allowed[-1]}"
            return f"The value {value!r} of '{name}' of the binding '{binding.name}' is not valid: {remedy}."
    if kind == "timertrigger":
        for name in ("runOnStartup", "useMonitor"):
            value = binding.properties.get(name)
            if value is not None and str(value).lower() not in ("true", "false") and "%" not in str(value):
                where = f"'{name}' of the binding '{binding.name}'"
                return f"The value {value!r} of {where} is not valid: write true or false."
    if kind == "httptrigger":
        methods: Any = binding.properties.get("methods")
        if methods is not None and not _is_list_of_texts(methods):
            how = f'must be a list of strings such as ["get"], not {methods!r}'
            return f"The 'methods' of the binding '{binding.name}' {how}."
    return None


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[Any]", value))
