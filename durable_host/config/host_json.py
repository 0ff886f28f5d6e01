"""Reads host.json into a typed record. `section` reports unknown keys and wrong values.

Source: docs/protocol/functions-host-config.md#hostjson-file
"""

from collections.abc import Callable
from typing import Any, cast

import msgspec

from durable_host.config import durable_reader, extensions, log_levels, notes, retry, suggestion
from durable_host.config.durable import DurableOptions
from durable_host.config.extensions import BlobOptions, HttpOptions, McpOptions, QueueOptions
from durable_host.config.hub_place import HubPlace
from durable_host.config.log_levels import LogLevels
from durable_host.config.retry import RetryOptions
from durable_host.config.section import Section, shown
from durable_host.config.worker_runtime import PYTHON
from durable_host.errors import ConfigurationError

_MIGRATION = "See https://aka.ms/functions-hostjson for steps to migrate the configuration file."
_DEFAULT_TIMEOUT = 1800.0


class HostJson(msgspec.Struct, frozen=True, kw_only=True):
    """The settings in host.json and its overrides, with defaults."""

    functions: tuple[str, ...] | None = None
    """The names of the functions to load; None for all."""
    function_timeout: float | None = _DEFAULT_TIMEOUT
    """Seconds; None for unlimited."""
    http: HttpOptions
    queues: QueueOptions
    blobs: BlobOptions
    mcp: McpOptions = McpOptions()
    durable: DurableOptions
    logging: LogLevels
    retry: RetryOptions | None = None
    file_watching_enabled: bool = True
    watch_directories: tuple[str, ...] = ()
    watch_files: tuple[str, ...] = ()
    raw: dict[str, Any]
    """The whole document, with overrides applied."""


def read(
    content: dict[str, Any],
    file: str,
    lookup: Callable[[str, str], str],
    warnings: list[str],
    user_log_level: str | None = None,
    hub_place: HubPlace = HubPlace(),
    runtime: str = PYTHON,
) -> HostJson:
    """Check a parsed host.json and convert it. `lookup(text, where)` replaces `%NAME%` by app settings; `runtime` is
    the app's language.

    Raises ConfigurationError for the first mistake, and appends minor problems to `warnings`.
    """
    top = Section(file, "", content, warnings)
    _check_version(top, file)
    sections = top.section("extensions")
    host = HostJson(
        functions=top.texts("functions"),
        function_timeout=_timeout(top),
        http=extensions.read_http(sections.section("http")),
        queues=extensions.read_queues(sections.section("queues")),
        blobs=extensions.read_blobs(sections.section("blobs")),
        mcp=extensions.read_mcp(sections.section("mcp")),
        durable=durable_reader.read(sections.section("durableTask"), lookup, hub_place, runtime),
        logging=_logging(top.section("logging"), user_log_level),
        retry=retry.read(top.section("retry")) if "retry" in top else None,
        file_watching_enabled=top.boolean("fileWatchingEnabled", True),
        watch_directories=top.texts("watchDirectories") or (),
        watch_files=top.texts("watchFiles") or (),
        raw=content,
    )
    bundle = top.section("extensionBundle")
    bundle.optional_text("id")
    bundle.optional_text("version")
    bundle.close()
    top.accept("$schema")
    notes.add(top, "")
    notes.add(sections, "extensions")
    if "durableTask" in top:
        warnings.append(f"{file}: 'durableTask' belongs in 'extensions'; at the top level it is ignored.")
    for section in (top, sections):
        for key, _ in section.unknown():
            if suggestion.closest(key, section.known, suggestion.TYPO):
                section.warn_unknown(key)
    return host


def _check_version(top: Section, file: str) -> None:
    version = top.raw("version")
    if version is None:
        raise ConfigurationError(
            f"The host.json file is missing the required 'version' property. {_MIGRATION}",
            cause=f"{file}: 'version' is missing, expected \"2.0\".",
            remedy='Add "version": "2.0" to host.json.',
            code="DH1004",
        )
    if version == "2.0":
        return
    text = version if isinstance(version, str) else shown(version)
    schema = ""
    if text[:1] in {"3", "4"}:
        schema = (
            "This does not correspond to the function runtime version, only to the schema version of the host.json "
            "file. "
        )
    raise ConfigurationError(
        f"'{text}' is an invalid value for host.json 'version' property. We recommend you set the 'version' property "
        f"to '2.0'. {schema}{_MIGRATION}",
        cause=f"{file}: 'version' is {shown(version)}, expected \"2.0\".",
        remedy='Write "version": "2.0" in host.json.',
        code="DH1004",
    )


def _timeout(top: Section) -> float | None:
    if str(top.raw("functionTimeout")).strip() in {"-1", "-00:00:00.0010000", "-1.00:00:00"}:
        return None
    return top.span(
        "functionTimeout",
        _DEFAULT_TIMEOUT,
        minimum=1.0,
        message='FunctionTimeout must be greater than 00:00:01, or "-1" for no limit.',
    )


def _logging(section: Section, user_log_level: str | None) -> LogLevels:
    section.choice("fileLoggingMode", ("debugOnly", "never", "always"), "debugOnly")
    section.section("applicationInsights")
    notes.add(section, "logging")
    levels = section.section("logLevel")
    default: int | None = None
    rules: list[tuple[str, int]] = []
    user: int | None = None
    if user_log_level is not None:
        user = log_levels.level_of(user_log_level)
    for category, value in levels.items():
        if isinstance(value, dict):
            rules.extend(_nested(levels, category, cast("dict[str, Any]", value)))
            continue
        level = _level(levels, category)
        if category.casefold() == "default":
            default = level
        else:
            rules.append((category.casefold(), level))
    if user is not None:
        rules = [rule for rule in rules if rule[0] != "function"] + [("function", user)]
    section.close()
    return LogLevels(rules=tuple(rules), default=default, user=user)


def _nested(levels: Section, category: str, value: dict[str, Any]) -> list[tuple[str, int]]:
    """The levels of a category in nested objects, such as `Function__hello__User` in the environment."""
    inner = levels.section(category)
    rules: list[tuple[str, int]] = []
    for name, deeper in value.items():
        if isinstance(deeper, dict):
            nested = _nested(inner, name, cast("dict[str, Any]", deeper))
            rules.extend((f"{category.casefold()}.{rest}", level) for rest, level in nested)
        else:
            rules.append((f"{category.casefold()}.{name.casefold()}", _level(inner, name)))
    return rules


def _level(levels: Section, category: str) -> int:
    value = levels.raw(category)
    if isinstance(value, str):
        try:
            return log_levels.level_of(value)
        except ValueError:
            pass
    words = ", ".join(log_levels.NAMES)
    hint = log_levels.standard_name(value) if isinstance(value, str) else None
    expected = f"one of {words}"
    if hint is not None and hint != value:
        expected += f' (did you mean "{hint.capitalize()}"?)'
    raise levels.error(category, expected, value_hint=log_levels.NAMES)
