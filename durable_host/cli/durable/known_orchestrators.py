"""Warns about an orchestrator that the app's running host does not have: its name may be misspelled.

Only the host on the app's own port of this machine is checked.
"""

from collections.abc import Mapping
from typing import Any, Final, cast

from durable_host.cli.running_host import HostNotRunning, address_of_host, request_host
from durable_host.config import HostConfig, suggestion
from durable_host.errors import ConfigurationError
from durable_host.host_id import host_id_of

_ANSWERS_WITHIN: Final = 1.0


def warning_about(name: str, config: HostConfig) -> str | None:
    """A warning if the app's host runs and has no orchestrator `name`; None if it has one, or if that is unknown."""
    address = address_of_host(config)
    try:
        status, host = request_host(address, "GET", "/admin/host/status", answers_within=_ANSWERS_WITHIN)
        if status != 200 or _member(host, "id") != host_id_of(config.root, config.settings):
            return None
        status, functions = request_host(address, "GET", "/admin/functions", answers_within=_ANSWERS_WITHIN)
    except (HostNotRunning, ConfigurationError):
        return None
    if status != 200 or not isinstance(functions, list):
        return None
    known: dict[str, str] = {}
    for function in cast("list[Any]", functions):
        trigger = _orchestration_trigger(function)
        if trigger is not None and _member(function, "isDisabled") is not True:
            own = str(_member(function, "name"))
            durable = str(trigger.get("orchestration") or own)
            known |= {own.casefold(): durable, durable.casefold(): durable}
    if name.casefold() in known:
        return None
    names = sorted(set(known.values()), key=str.lower)
    meant = suggestion.closest(name, names)
    listed = f"Its orchestrators: {', '.join(names)}." if names else "It has no orchestrators."
    hint = f" Did you mean '{meant}'?" if meant else ""
    return f"The host at {address} has no orchestrator '{name}', so the instance fails there. {listed}{hint}"


def _orchestration_trigger(function: Any) -> Mapping[str, Any] | None:
    bindings = _member(_member(function, "config"), "bindings")
    for binding in cast("list[Any]", bindings) if isinstance(bindings, list) else []:
        if str(_member(binding, "type")).lower() == "orchestrationtrigger":
            return cast("Mapping[str, Any]", binding)
    return None


def _member(value: Any, name: str) -> Any:
    return cast("dict[str, Any]", value).get(name) if isinstance(value, dict) else None
