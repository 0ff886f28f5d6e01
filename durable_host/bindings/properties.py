"""Evaluates binding properties for an invocation.

Source: docs/protocol/functions-host-expressions.md#lookup-of-names
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from durable_host.config.expressions import BindingExpression, SystemValues, parse
from durable_host.errors import HostError
from durable_host.invocation.metadata import Binding


class BindingFailed(HostError):
    """A binding could not read or write a value; the invocation fails with this text."""

    code = "DH5020"


@lru_cache(maxsize=1024)
def template(text: str) -> BindingExpression:
    """The parsed text. Raises TemplateInvalid."""
    return parse(text)


def evaluate(
    binding: Binding,
    property_name: str,
    data: Mapping[str, Any],
    function_name: str,
    quote: Callable[[str], str] | None = None,
) -> str | None:
    """The property with `{…}` replaced; None if the binding does not have it. Raises ExpressionFailed."""
    text = binding.text(property_name)
    if text is None or ("{" not in text and "}" not in text):
        return text
    return template(text).render(data, SystemValues(function_name), quote)


def required(binding: Binding, property_name: str, data: Mapping[str, Any], function_name: str) -> str:
    """Like `evaluate`, for a required property. Raises BindingFailed."""
    value = evaluate(binding, property_name, data, function_name)
    if not value:
        raise BindingFailed(f"The binding '{binding.name}' of type '{binding.type}' has no '{property_name}'.")
    return value
