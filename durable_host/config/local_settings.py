"""Reads local.settings.json: values, connection strings and the Host section.

Source: docs/protocol/functions-host-config.md#local-settings
"""

from pathlib import Path
from typing import Any, Final, cast

import msgspec

from durable_host.config import suggestion
from durable_host.config.section import Section, shown
from durable_host.errors import ConfigurationError
from durable_host.worker import lenient_json

FILE_NAME: Final = "local.settings.json"


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`values` includes the connection strings as `ConnectionStrings:<name>`."""

    values: dict[str, str] = {}
    port: int | None = None
    address: str | None = None
    cors: str | None = None
    cors_credentials: bool = False


def read(path: Path, warnings: list[str]) -> LocalSettings:
    """The file's content; empty if it is missing. Raises ConfigurationError if it is not valid."""
    try:
        content: Any = lenient_json.parse(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return LocalSettings()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"Failed to read app settings file at '{path}'. Ensure it is a valid JSON file. {error}", code="DH1020"
        ) from error
    if not isinstance(content, dict):
        raise ConfigurationError(
            f"Failed to read app settings file at '{path}'. Ensure it is a valid JSON file. "
            f"It contains {shown(content)}, expected an object {{ … }}.",
            code="DH1020",
        )
    section = Section(FILE_NAME, "", cast("dict[str, Any]", content), warnings)
    if section.boolean("IsEncrypted", False):
        raise ConfigurationError(
            f"{FILE_NAME}: 'IsEncrypted' is true, expected false: encrypted settings cannot be read here.",
            cause="The key belongs to the .NET installation that encrypted the file.",
            remedy="Run 'func settings decrypt' in Azure Functions Core Tools once, or write the values in plain text "
            'with "IsEncrypted": false.',
            code="DH1021",
        )
    values = _values(section.section("Values"), warnings)
    values.update(_connection_strings(section.section("ConnectionStrings")))
    host = section.section("Host")
    settings = LocalSettings(
        values=values,
        port=host.integer("LocalHttpPort", 0, minimum=1, maximum=65535) if "LocalHttpPort" in host else None,
        address=host.optional_text("LocalHttpAddress"),
        cors=host.optional_text("CORS"),
        cors_credentials=host.boolean("CORSCredentials", False),
    )
    for key, _ in section.unknown():
        if suggestion.closest(key, section.known):
            section.warn_unknown(key)
    return settings


def _values(section: Section, warnings: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in section.items():
        if not name.strip():
            warnings.append(f"{FILE_NAME}: a setting without a name in 'Values' is ignored.")
        elif value is None:
            warnings.append(f"Skipping '{name}' because value is null")
        elif isinstance(value, dict | list):
            raise section.error(
                name, 'text: Values is a flat object; write nested settings as "Parent__Child": "…" or as JSON in text'
            )
        elif not _fits_the_environment(name, text := setting_text(value)):
            raise ConfigurationError(
                f"{FILE_NAME}: the setting {name!a:.60} cannot be put into the environment of the app.",
                cause="Its name contains '=', or its name or value contains NUL or half of a surrogate pair.",
                code="DH1002",
            )
        else:
            values[name] = text
    return values


def _fits_the_environment(name: str, value: str) -> bool:
    try:
        (name + value).encode()
    except UnicodeEncodeError:
        return False
    return "=" not in name and "\0" not in name + value


def setting_text(value: str | float | bool) -> str:
    """A JSON scalar as the text that .NET puts into the environment."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return value if isinstance(value, str) else shown(value)


def _connection_strings(section: Section) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in section.items():
        if isinstance(value, dict):
            text = section.section(name).optional_text("ConnectionString")
        else:
            text = section.optional_text(name)
        if text is not None:
            found[f"ConnectionStrings:{name}"] = text
    return found
