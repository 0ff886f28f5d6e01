"""Typed access to a JSON object in host.json. Errors name the file, the key, the value and what was expected.

Values may be texts: environment overrides always are, and .NET accepts them in the file as well.
"""

from collections.abc import Collection, Sequence
from typing import Any, TypeVar, cast

import msgspec

from durable_host.config import suggestion, timespan
from durable_host.errors import ConfigurationError

Choice = TypeVar("Choice", bound=str)


class Section:
    """An object in the configuration file. Keys are case-insensitive. It records which keys have been read.

    `warnings` is shared by all sections of a file.
    """

    def __init__(self, file: str, path: str, content: dict[str, Any], warnings: list[str]) -> None:
        self._file = file
        self._path = path
        self._content = {key.casefold(): (key, value) for key, value in content.items()}
        self._known: list[str] = []
        self.warnings = warnings

    def __contains__(self, key: str) -> bool:
        return self.raw(key) is not None

    def raw(self, key: str) -> Any:
        """The JSON value; None if it is absent or null."""
        self._known.append(key)
        return self._content.get(key.casefold(), (key, None))[1]

    def section(self, key: str) -> "Section":
        """The object at `key`; an empty one if it is absent."""
        value = self.raw(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.error(key, "an object { … }")
        return Section(self._file, self.path(key), cast("dict[str, Any]", value), self.warnings)

    def items(self) -> list[tuple[str, Any]]:
        """All keys as written, with their values. For objects whose keys are chosen by the user."""
        return list(self._content.values())

    def integer(
        self,
        key: str,
        default: int,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
        message: str | None = None,
    ) -> int:
        """A whole number. `message` is the error text for a number out of range."""
        value = self.raw(key)
        if value is None:
            return default
        expected = _range("a whole number", minimum, maximum)
        if isinstance(value, str):
            try:
                value = int(value.strip())
            except ValueError:
                raise self.error(key, expected) from None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, expected)
        if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
            raise self.error(key, expected, message)
        return value

    def number(self, key: str, default: float) -> float:
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                raise self.error(key, "a number") from None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, "a number")
        return float(value)

    def boolean(self, key: str, default: bool) -> bool:
        value = self.optional_boolean(key)
        return default if value is None else value

    def optional_boolean(self, key: str) -> bool | None:
        value = self.raw(key)
        if isinstance(value, str) and value.strip().casefold() in {"true", "false"}:
            return value.strip().casefold() == "true"
        if value is None or isinstance(value, bool):
            return value
        raise self.error(key, "true or false")

    def text(self, key: str, default: str) -> str:
        value = self.optional_text(key)
        return default if value is None else value

    def optional_text(self, key: str) -> str | None:
        value = self.raw(key)
        if value is None or isinstance(value, str):
            return value
        raise self.error(key, 'text in quotes ("…")')

    def choice(self, key: str, choices: Sequence[Choice], default: Choice, *, by_number: bool = False) -> Choice:
        """One of a few words, in the spelling of `choices`; case is ignored.

        With `by_number`, it may also be the word's index from 0, like an enumeration in .NET.
        """
        value = self.raw(key)
        if value is None:
            return default
        if by_number and str(value).isdecimal() and int(value) < len(choices):
            return choices[int(value)]
        for candidate in choices:
            if isinstance(value, str) and value.strip().casefold() == candidate.casefold():
                return candidate
        raise self.error(key, "one of " + ", ".join(f'"{candidate}"' for candidate in choices), value_hint=choices)

    def span(
        self,
        key: str,
        default: float,
        *,
        minimum: float = 0.0,
        maximum: float | None = None,
        message: str | None = None,
    ) -> float:
        """A time span, in seconds."""
        value = self.raw(key)
        if value is None:
            return default
        expected = f'a time span "hh:mm:ss" such as "{timespan.render(default if default > 0 else 30)}"'
        if not isinstance(value, str):
            raise self.error(key, expected)
        try:
            seconds = timespan.parse(value)
        except ValueError:
            if value.strip().lstrip("-").isdigit():
                expected += f" (a bare number would mean days in Azure: {value.strip()} days)"
            raise self.error(key, expected) from None
        if seconds < minimum or (maximum is not None and seconds > maximum):
            limits = f"at least {timespan.render(minimum)}"
            if maximum is not None:
                limits = f"between {timespan.render(minimum)} and {timespan.render(maximum)}"
            raise self.error(key, f"a time span of {limits}", message)
        return seconds

    def texts(self, key: str) -> tuple[str, ...] | None:
        """An array of texts; None if it is absent."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in cast("list[Any]", value)):
            raise self.error(key, 'an array of strings ["…", "…"]')
        return tuple(cast("list[str]", value))

    def accept(self, *keys: str) -> None:
        """Accept keys that are known but have no meaning here."""
        self._known.extend(keys)

    @property
    def known(self) -> list[str]:
        """The keys that have been read or accepted so far."""
        return self._known

    def close(self) -> None:
        """Report keys that were never read: an error for an obvious typo, otherwise a warning."""
        for key, value in self.unknown():
            meant = suggestion.closest(key, self._known, suggestion.TYPO)
            if meant is not None:
                raise ConfigurationError(
                    f"{self._file}: unknown setting '{self.path(key)}' (value {shown(value)}): "
                    f"did you mean '{self.path(meant)}'?",
                    remedy=f"Rename '{key}' to '{meant}', or remove it.",
                    code="DH1003",
                )
            self.warn_unknown(key)

    def unknown(self) -> list[tuple[str, Any]]:
        """The keys that have not been read so far."""
        known = {key.casefold() for key in self._known}
        return [entry for folded, entry in self._content.items() if folded not in known]

    def warn_unknown(self, key: str) -> None:
        related = suggestion.closest(key, self._known)
        hint = f" Did you mean '{self.path(related)}'?" if related else ""
        self.warnings.append(f"{self._file}: '{self.path(key)}' is not a known setting and is ignored.{hint}")

    def warn(self, key: str, sentence: str) -> None:
        """Add a warning about a value. `sentence` follows the name of the key."""
        self.warnings.append(f"{self._file}: '{self.path(key)}' {sentence}")

    def path(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def error(
        self, key: str, expected: str, message: str | None = None, *, value_hint: Collection[str] = ()
    ) -> ConfigurationError:
        """The error for a wrong value. `message` replaces the standard text about what was expected."""
        written, value = self._content.get(key.casefold(), (key, None))
        line = f"{self._file}: '{self.path(written)}' is {shown(value)}, expected {expected}."
        if message:
            line = f"{self._file}: '{self.path(written)}' is {shown(value)}: {message}"
        if isinstance(value, str) and (meant := suggestion.closest(value, value_hint)):
            line += f' Did you mean "{meant}"?'
        return ConfigurationError(line, code="DH1002")


def shown(value: Any, limit: int = 60) -> str:
    """A JSON value for a message, shortened."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _range(what: str, minimum: int | None, maximum: int | None) -> str:
    if minimum is not None and maximum is not None:
        return f"{what} from {minimum} to {maximum}"
    if minimum is not None:
        return f"{what} of at least {minimum}"
    return what
