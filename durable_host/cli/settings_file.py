"""Edits local.settings.json. Order, indentation and unknown members are kept.

Source: docs/protocol/functions-host-config.md#local-settings, docs/protocol/functions-host-cli.md#settings-commands
"""

import json
import re
from pathlib import Path
from typing import Any, Final, cast

from durable_host.cli.atomic_write import write_atomically
from durable_host.config import suggestion
from durable_host.config.local_settings import FILE_NAME, setting_text
from durable_host.errors import ConfigurationError, UsageError
from durable_host.worker import lenient_json

_INDENT: Final = re.compile(r"^\{\s*?\n([ \t]+)", re.MULTILINE)
_FALSE: Final = (None, False, "false", "False")


class SettingsFile:
    """The parsed file in `root`; a missing file is empty. Raises ConfigurationError if it is not valid."""

    def __init__(self, root: Path) -> None:
        self.path: Final = root / FILE_NAME
        self._text = self._read()
        empty: dict[str, Any] = {"IsEncrypted": False, "Values": {}}
        self._document: Final = self._parse(self._text) if self._text.strip() else empty

    @property
    def is_encrypted(self) -> bool:
        return self._member("IsEncrypted")[1] not in _FALSE

    @property
    def values(self) -> dict[str, str]:
        """Name → value; nulls and non-scalars are left out."""
        section = self._section("Values", create=False)
        return {
            name: setting_text(value) for name, value in section.items() if isinstance(value, str | int | float | bool)
        }

    @property
    def connection_strings(self) -> dict[str, tuple[str, str | None]]:
        """Name → (connection string, provider name)."""
        found: dict[str, tuple[str, str | None]] = {}
        for name, value in self._section("ConnectionStrings", create=False).items():
            if isinstance(value, dict):
                entry = {str(key).casefold(): text for key, text in cast("dict[str, Any]", value).items()}
                found[name] = (str(entry.get("connectionstring", "")), entry.get("providername"))
            else:
                found[name] = (str(value), None)
        return found

    def set_value(self, name: str, value: str) -> None:
        """Add or change a setting; an existing name keeps its spelling and place."""
        section = self._section("Values")
        section[_existing(section, name) or name] = value

    def set_connection_string(self, name: str, value: str) -> None:
        """Add or change a connection string; the provider's name is kept."""
        section = self._section("ConnectionStrings")
        written = _existing(section, name) or name
        old = section.get(written)
        if isinstance(old, dict):
            entry = cast("dict[str, Any]", old)
            entry[_existing(entry, "ConnectionString") or "ConnectionString"] = value
        else:
            section[written] = {"ConnectionString": value, "ProviderName": "System.Data.SqlClient"}

    def delete(self, name: str, *, connection_string: bool) -> str:
        """Delete a setting or connection string and return its name as spelled in the file. Raises UsageError."""
        section = self._section("ConnectionStrings" if connection_string else "Values", create=False)
        written = _existing(section, name)
        if written is None:
            kind = "connection string" if connection_string else "setting"
            meant = suggestion.closest(name, section)
            other = self._section("Values" if connection_string else "ConnectionStrings", create=False)
            remedy = f"Did you mean '{meant}'?" if meant else "'func settings list' lists the settings."
            if _existing(other, name):
                flag = "without" if connection_string else "with"
                remedy = f"The other kind has one with this name: try {flag} --connectionString."
            raise UsageError(f"There is no {kind} '{name}' in {FILE_NAME}.", remedy=remedy)
        del section[written]
        return written

    def save(self) -> None:
        """Write the file atomically. Raises ConfigurationError if it would lose comments or cannot be written."""
        if lenient_json.without_comments(self._text) != self._text and _has_comment(self._text):
            raise ConfigurationError(
                f"{FILE_NAME} has comments, which this command would lose.",
                remedy="Edit the file by hand, or remove the comments.",
                code="DH1022",
            )
        match = _INDENT.search(self._text)
        text = json.dumps(self._document, indent=match.group(1) if match else 2, ensure_ascii=False)
        newline = "\r\n" if "\r\n" in self._text else "\n"
        if not self._text or self._text.endswith("\n"):
            text += "\n"
        try:
            write_atomically(self.path, text.replace("\n", newline), new_mode=0o600)
        except OSError as error:
            raise ConfigurationError(f"'{self.path}' cannot be written.", cause=str(error), code="DH1043") from error

    def _read(self) -> str:
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as stream:
                return stream.read()
        except FileNotFoundError:
            return ""
        except (OSError, ValueError) as error:
            raise self._unusable(str(error)) from error

    def _parse(self, text: str) -> dict[str, Any]:
        def unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
            names = [name for name, _ in members]
            for name in names:
                if names.count(name) > 1:
                    raise self._unusable(f"'{name}' occurs twice.")
            return dict(members)

        try:
            lenient_json.parse(text)
            content: Any = json.loads(lenient_json.without_comments(text), object_pairs_hook=unique)
        except ValueError as error:
            raise self._unusable(str(error)) from error
        if not isinstance(content, dict):
            raise self._unusable("It is not an object { … }.")
        return cast("dict[str, Any]", content)

    def _unusable(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            f"Failed to read app settings file at '{self.path}'. Ensure it is a valid JSON file. {problem}",
            code="DH1020",
        )

    def _member(self, name: str) -> tuple[str, Any]:
        written = _existing(self._document, name)
        return (written, self._document[written]) if written is not None else (name, None)

    def _section(self, name: str, *, create: bool = True) -> dict[str, Any]:
        written, value = self._member(name)
        if value is None:
            value = cast("dict[str, Any]", {})
            if create:
                self._document[written] = value
        if not isinstance(value, dict):
            raise self._unusable(f"'{written}' is not an object {{ … }}.")
        return cast("dict[str, Any]", value)


def _existing(section: dict[str, Any], name: str) -> str | None:
    """The spelling of `name` in the section; an exact match takes precedence."""
    if name in section:
        return name
    return next((written for written in section if written.casefold() == name.casefold()), None)


def _has_comment(text: str) -> bool:
    """True if the text has comments. Trailing commas do not count."""
    blanked = lenient_json.without_comments(text)
    return any(old not in (new, ",") for old, new in zip(text, blanked, strict=True))
