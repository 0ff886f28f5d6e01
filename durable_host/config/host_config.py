"""Builds the whole configuration, once at startup.

Source: docs/protocol/functions-host-config.md#hostjson-file,
    docs/protocol/functions-host-config.md#precedence-of-settings,
    docs/protocol/functions-host-config.md#variables-set-by-the-host
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from durable_host.config import gates_setting, host_json, local_settings, log_levels, retention_period
from durable_host.config.chaos_setting import chosen_chaos
from durable_host.config.durable import DurableOptions
from durable_host.config.host_json import HostJson
from durable_host.config.hub_place import place_of
from durable_host.config.local_settings import LocalSettings
from durable_host.config.overrides import Overrides, apply, environment_overrides
from durable_host.config.settings import AppSettings, SettingMissing, resolve_percent
from durable_host.config.worker_runtime import PYTHON, runtime_of
from durable_host.errors import ConfigurationError, UsageError
from durable_host.worker import lenient_json

HOST_JSON: Final = "host.json"
DEFAULT_PORT: Final = 7071
DEFAULT_ADDRESS: Final = "127.0.0.1"

_DEFAULT_DOCUMENT: Final = """{
  "version": "2.0",
  "extensionBundle": {
    "id": "Microsoft.Azure.Functions.ExtensionBundle",
    "version": "[4.*, 5.0.0)"
  }
}
"""
_KEY_VAULT = re.compile(r"\s*@Microsoft\.KeyVault\(.*\)\s*", re.IGNORECASE | re.DOTALL)
_INSIGHTS: Final = ("APPLICATIONINSIGHTS_CONNECTION_STRING", "APPINSIGHTS_INSTRUMENTATIONKEY")
_USER_LEVEL: Final = "AzureFunctionsJobHost__logging__logLevel__Function"
_FORCED: Final = {
    "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
    "FUNCTIONS_CORETOOLS_ENVIRONMENT": "true",
    "AzureFunctionsJobHost__SequentialRestart": "true",
    "FUNCTIONS_WORKER_RUNTIME_VERSION": "3.x",
}


class HostConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that configures one host."""

    root: Path
    settings: AppSettings
    host: HostJson
    port: int = DEFAULT_PORT
    address: str = DEFAULT_ADDRESS
    cors: tuple[str, ...] = ()
    cors_credentials: bool = False
    warnings: tuple[str, ...] = ()
    """Problems that do not stop the host; the composition root logs them."""
    runtime: str = PYTHON
    """Language of the app, see `worker_runtime`."""


def load(root: Path, *, environ: Mapping[str, str], overrides: Overrides = Overrides()) -> HostConfig:
    """Read host.json and local.settings.json in `root`. `environ` overrides both files, `overrides` overrides all.

    Writes a default host.json if there is none. Raises ConfigurationError.
    """
    root = root.resolve()
    warnings: list[str] = []
    local = local_settings.read(root / local_settings.FILE_NAME, warnings)
    port = local.port or DEFAULT_PORT if overrides.port is None else overrides.port
    settings = _settings(root, local, environ, port, warnings)
    document = _document(root, warnings)
    content = apply(document, environment_overrides(settings.items()))

    def lookup(text: str, where: str) -> str:
        try:
            return resolve_percent(text, settings)
        except SettingMissing as error:
            raise SettingMissing(f"{HOST_JSON}: '{where}': {error.message}", remedy=error.remedy) from None

    user_log_level = _user_log_level(settings, overrides)
    place = place_of(settings, overrides.task_hub)
    runtime = runtime_of(root, settings, warnings)
    host = host_json.read(content, HOST_JSON, lookup, warnings, user_log_level, place, runtime)
    durable = _chosen_durable(host.durable, settings, overrides, warnings)
    functions = overrides.functions or host.functions
    host = msgspec.structs.replace(host, durable=durable, functions=functions)
    credentials = local.cors_credentials if overrides.cors_credentials is None else overrides.cors_credentials
    return HostConfig(
        root=root,
        settings=settings.with_default(_USER_LEVEL, user_log_level or "Information"),
        host=host,
        port=port,
        address=overrides.address or local.address or DEFAULT_ADDRESS,
        cors=_cors_origins(overrides.cors if overrides.cors is not None else local.cors or "", credentials),
        cors_credentials=credentials,
        warnings=tuple(warnings),
        runtime=runtime,
    )


def _chosen_durable(
    durable: DurableOptions, settings: AppSettings, overrides: Overrides, warnings: list[str]
) -> DurableOptions:
    """The options with what the command line and the settings override."""
    keeps_gates = gates_setting.are_kept(settings)
    if not keeps_gates and (note := gates_setting.lifted_note(settings, durable.storage)) is not None:
        warnings.append(note)
    return msgspec.structs.replace(
        durable,
        keeps_gates=keeps_gates,
        retain=retention_period.chosen(settings, overrides.retain, durable.retain),
        chaos=chosen_chaos(durable.chaos, settings, overrides),
    )


def _cors_origins(text: str, credentials: bool) -> tuple[str, ...]:
    origins = tuple(origin.strip().rstrip("/") for origin in text.split(",") if origin.strip())
    if credentials and "*" in origins:
        raise UsageError(
            "CORS credentials cannot be allowed for every origin ('*').",
            remedy="Name the origins: --cors http://localhost:3000 --cors-credentials",
        )
    return origins


def pinned(config: HostConfig, port: int) -> HostConfig:
    """The configuration with the actual port."""
    values = {**config.settings.environment(), "WEBSITE_HOSTNAME": f"localhost:{port}"}
    settings = AppSettings(values, config.settings.local_names)
    return msgspec.structs.replace(config, port=port, settings=settings)


def _settings(
    root: Path, local: LocalSettings, environ: Mapping[str, str], port: int, warnings: list[str]
) -> AppSettings:
    present = AppSettings({name: value for name, value in environ.items() if value})
    values = dict(environ)
    taken: list[str] = []
    kept: list[str] = []
    for name, value in local.values.items():
        if name in present:
            if present[name] != value:
                kept.append(name)
            continue
        for empty in [other for other in values if other.casefold() == name.casefold()]:
            del values[empty]
        values[name] = value
        taken.append(name)
    if kept:
        warnings.append(
            f"Skipping {_quoted(kept)} from local settings as already defined in current environment variables."
        )
    forced = {**_FORCED, "WEBSITE_HOSTNAME": f"localhost:{port}", "AzureWebJobsScriptRoot": str(root)}
    for name, value in forced.items():
        given = values.get(name)
        if given is not None and given != value and name == "AZURE_FUNCTIONS_ENVIRONMENT":
            warnings.append(f"'{name}' is always '{value}' here; the value '{given}' is not used.")
        values[name] = value
    values.setdefault("PYTHON_ENABLE_DEBUG_LOGGING", "1")
    vaulted = [name for name, value in local.values.items() if _KEY_VAULT.fullmatch(value) and name not in present]
    warnings.extend(
        f"Unable to resolve the Key Vault reference for setting: {name} (this host does not ask Key Vault; put the "
        "value into the environment or local.settings.json)."
        for name in vaulted
    )
    warnings.extend(
        f"Nothing is sent to Application Insights: '{name}' and 'logging.applicationInsights' have no effect here."
        for name in [name for name in _INSIGHTS if name in values][:1]
    )
    return AppSettings(values, frozenset(taken))


def _document(root: Path, warnings: list[str]) -> dict[str, Any]:
    """The parsed host.json. If there is none, the default one is written."""
    path = root / HOST_JSON
    if content := read_document(path):
        return content
    try:
        path.write_text(_DEFAULT_DOCUMENT, "utf-8")
    except OSError as error:
        warnings.append(f"The default {HOST_JSON} could not be written: {error}")
    return cast("dict[str, Any]", lenient_json.parse(_DEFAULT_DOCUMENT))


def read_document(path: Path) -> dict[str, Any]:
    """The parsed file; empty if it is missing. Raises ConfigurationError if it is not a JSON object."""
    try:
        content: Any = lenient_json.parse(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except lenient_json.JsonSyntaxError as error:
        raise ConfigurationError(
            f"Unable to parse host configuration file '{path}'.",
            cause=f"{path.name}, line {error.line}, column {error.column}: {error.problem}",
            remedy="Fix the JSON at that place (comments and trailing commas are allowed).",
            code="DH1002",
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"Unable to parse host configuration file '{path}'.", cause=str(error), code="DH1002"
        ) from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"Unable to parse host configuration file '{path}'.",
            cause=f"{path.name} does not contain an object {{ … }}.",
            code="DH1002",
        )
    return cast("dict[str, Any]", content)


def _user_log_level(settings: AppSettings, overrides: Overrides) -> str | None:
    source = "--user-log-level"
    level = overrides.user_log_level
    if level is None:
        source, level = "FUNCTIONS_USER_LOG_LEVEL", settings.get("FUNCTIONS_USER_LOG_LEVEL") or None
    if level is None:
        return None
    try:
        log_levels.level_of(level)
    except ValueError:
        raise UsageError(f"{source} is '{level}', expected one of {', '.join(log_levels.NAMES)}.") from None
    return level


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
