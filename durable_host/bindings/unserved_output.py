"""Output bindings whose service this host does not have: the function runs, and its values are refused or logged.

When a type gets its own implementation, register it in `host/binding_registry.py`; nothing changes here.
"""

import base64
import json
import logging
from collections.abc import Mapping
from typing import Any, Literal

from durable_host.bindings.properties import BindingFailed, evaluate
from durable_host.config.settings import AppSettings
from durable_host.errors import ConfigurationError
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import Datum
from durable_host.invocation.metadata import Binding

SETTING = "DURABLE_HOST_UNSERVED_OUTPUTS"
Mode = Literal["fail", "log"]


class OutputNotServed(BindingFailed):
    """The function has set an output binding whose service this host does not have; the call fails."""

    code = "DH5021"


def mode_of(settings: AppSettings) -> Mode:
    """The mode in the settings; `fail` by default. Raises ConfigurationError."""
    text = settings.get(SETTING, "").strip().lower()
    if text == "log":
        return "log"
    if text in ("", "fail"):
        return "fail"
    raise ConfigurationError(
        f"{SETTING} is '{text}', expected fail or log.",
        remedy="Change it in local.settings.json or in the environment; fail is the default.",
    )


class UnservedOutput:
    """Fails the call that sets the output, or logs each value as one line of JSON."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        """Fail or log. Raises OutputNotServed, and ExpressionFailed for a property that cannot be evaluated."""
        function = context.function.name
        if self._mode == "fail":
            raise OutputNotServed(
                f"The output binding '{binding.name}' of type '{binding.type}' is not served by this host; its value "
                "was not sent.",
                cause="It needs an Azure service, or an extension, that this host does not have.",
                remedy=f"Set {SETTING}=log in local.settings.json to have such values logged instead, or leave the "
                "output unset.",
            )
        log_value(binding, context, _value(datum), _target(binding, binding_data, function))


def log_value(binding: Binding, context: BindingContext, value: Any, target: Mapping[str, Any] | None = None) -> None:
    """Log one line of JSON instead of sending the value; `target` are additional members."""
    function = context.function.name
    line = {
        "output": binding.name,
        "type": binding.type,
        "function": function,
        "invocationId": context.invocation_id,
        **(target or {}),
        "value": value,
    }
    logging.getLogger(f"Function.{function}").info(
        "%s",
        json.dumps(line, ensure_ascii=False),
        extra={"function": function, "invocation_id": context.invocation_id},
    )


def _target(binding: Binding, data: Mapping[str, Any], function: str) -> dict[str, Any]:
    """The destination of the value: the evaluated texts of the binding, without names of settings."""
    names = [name for name, value in binding.properties.items() if isinstance(value, str) and not _is_setting(name)]
    found = {name: evaluate(binding, name, data, function) for name in names}
    return {"properties": found} if found else {}


def _is_setting(name: str) -> bool:
    return any(word in name.lower() for word in ("connection", "key", "secret", "password", "token", "datatype"))


def _value(datum: Datum) -> Any:
    """The value for the log: JSON decoded, texts and numbers unchanged, bytes as text or, if not UTF-8, in base64."""
    if datum.kind == "bytes":
        try:
            return datum.value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(datum.value).decode("ascii")}
    if datum.kind == "json":
        try:
            return json.loads(datum.value)
        except ValueError:
            return datum.value
    return datum.value
