"""App settings from the environment and local.settings.json, and `%NAME%` in binding properties.

Source: docs/protocol/functions-host-config.md#precedence-of-settings,
    docs/protocol/functions-host-expressions.md#settings-in-bindings
"""

from collections.abc import Iterator, Mapping

from durable_host.errors import ConfigurationError


class SettingMissing(ConfigurationError):
    """A `%NAME%` names an app setting that does not exist: add it to local.settings.json or the environment."""

    code = "DH1110"


class AppSettings(Mapping[str, str]):
    """Name → value. Lookup ignores case (an exact match takes precedence), and `__` and `:` are the same separator.

    `local_names` are the names from local.settings.json. Immutable.
    """

    def __init__(self, values: Mapping[str, str], local_names: frozenset[str] = frozenset()) -> None:
        self._values = dict(values)
        self._by_key = {setting_key(name): name for name in self._values}
        self.local_names = local_names

    def __getitem__(self, name: str) -> str:
        value = self._values.get(name)
        return self._values[self._by_key[setting_key(name)]] if value is None else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and setting_key(name) in self._by_key

    def __repr__(self) -> str:
        return f"AppSettings({len(self)} names)"

    def section(self, name: str) -> dict[str, str]:
        """The settings below `name` (`name__child` or `name:child`): child in lower case → value."""
        prefix = f"{setting_key(name)}:"
        return {
            key[len(prefix) :]: self._values[written]
            for key, written in self._by_key.items()
            if key.startswith(prefix) and self._values[written]
        }

    def with_default(self, name: str, value: str) -> "AppSettings":
        """The same settings, with `name` added if it is missing."""
        return self if name in self else AppSettings({**self._values, name: value}, self.local_names)

    def environment(self) -> dict[str, str]:
        """All settings, as the environment for a child process."""
        return dict(self._values)


def is_true(settings: Mapping[str, str], name: str) -> bool:
    """True if the setting is `1` or `true`, ignoring case."""
    return settings.get(name, "").strip().casefold() in {"1", "true"}


def resolve_percent(text: str, settings: Mapping[str, str]) -> str:
    """`text` with every `%NAME%` replaced by the app setting.

    Raises SettingMissing with the texts of the Functions host, also for a `%` without a closing `%`.
    """
    if "%" not in text:
        return text
    pieces: list[str] = []
    position = 0
    while (start := text.find("%", position)) >= 0:
        end = text.find("%", start + 1)
        if end < 0:
            raise SettingMissing(
                f"The '%' at position {start} does not have a closing '%'",
                cause=f"in '{text}'",
                remedy="Write %NAME% for the value of the app setting NAME.",
            )
        name = text[start + 1 : end]
        value = settings.get(name) if name else None
        if value is None:
            raise SettingMissing(
                f"'%{name}%' does not resolve to a value.",
                remedy=f"Add '{name}' to Values in local.settings.json, or set it in the environment.",
            )
        pieces += [text[position:start], value]
        position = end + 1
    return "".join([*pieces, text[position:]])


def setting_key(name: str) -> str:
    """The same text for all spellings of a name: in .NET, `__` stands for `:`, and case does not matter."""
    return name.replace("__", ":").casefold()
