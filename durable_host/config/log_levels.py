"""Decides which log records are shown: the levels in host.json, by category.

Source: docs/protocol/functions-host-cli.md#log-levels
"""

import logging
from collections.abc import Mapping
from typing import Final

import msgspec

NAMES: Final = ("Trace", "Debug", "Information", "Warning", "Error", "Critical", "None")
NEVER: Final = 1000
TRACE: Final = 5

_LEVELS: Final[Mapping[str, int]] = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": NEVER,
}
_ALIASES: Final = {"info": "information", "warn": "warning"}
_SYSTEM: Final = ("microsoft.azure.webjobs.", "function.", "worker.", "host.")


def level_of(name: str) -> int:
    """The logging level of a .NET level name, ignoring case. Raises ValueError for other names."""
    folded = name.strip().casefold()
    if folded not in _LEVELS:
        raise ValueError(f"'{name}' is not a log level")
    return _LEVELS[folded]


def standard_name(name: str) -> str:
    """The standard level name if `name` is a common short form, otherwise `name`."""
    return _ALIASES.get(name.strip().casefold(), name)


class LogLevels(msgspec.Struct, frozen=True):
    """The rules of `logging.logLevel`, and the defaults for other categories. Levels are those of `logging`.

    `rules` are (category in lower case, level), without `default`.
    """

    rules: tuple[tuple[str, int], ...] = ()
    default: int | None = None
    user: int | None = None
    """The level of user code from `--user-log-level` or `FUNCTIONS_USER_LOG_LEVEL`."""

    @property
    def least(self) -> int:
        """The lowest level that any category may show."""
        given = [level for _, level in self.rules]
        given += [level for level in (self.default, self.user) if level is not None]
        return max(TRACE, min([logging.INFO, *given]))

    def level_for(self, category: str, *, verbose: bool = False) -> int:
        """The lowest level shown for `category`. `verbose` shows system records at Information."""
        folded = category.casefold()
        matching = [rule for rule in self.rules if _covers(rule[0], folded)]
        if matching:
            return max(matching, key=lambda rule: len(rule[0]))[1]
        if not is_system(category):
            if self.user is not None:
                return self.user
            return logging.INFO if self.default is None else self.default
        if self.default is not None:
            return self.default
        return logging.INFO if verbose else logging.WARNING


def is_system(category: str) -> bool:
    """True for the host's categories, False for those of functions and their code."""
    folded = category.casefold()
    if folded == "host.function.console":
        return False
    if folded.startswith("function."):
        parts = folded.split(".")
        return not (len(parts) == 2 or (len(parts) == 3 and parts[2] == "user"))
    return folded.startswith(_SYSTEM)


def is_of_app(category: str) -> bool:
    """True for the categories of the app's own logs and output."""
    folded = category.casefold()
    return folded == "host.function.console" or not folded.startswith(_SYSTEM) or folded.endswith(".user")


def _covers(rule: str, category: str) -> bool:
    """Prefix match like .NET: one `*` matches any text, the rest is a plain prefix."""
    if "*" in rule:
        prefix, _, suffix = rule.partition("*")
        return category.startswith(prefix) and category.endswith(suffix) and len(category) >= len(rule) - 1
    return category.startswith(rule)
