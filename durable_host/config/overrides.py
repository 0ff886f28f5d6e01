"""Values that override host.json: from the environment, or from command-line options.

Source: docs/protocol/functions-host-config.md#values-from-the-environment
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

_PREFIX = "azurefunctionsjobhost__"


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """The command-line options; None for those that are not set."""

    port: int | None = None
    address: str | None = None
    cors: str | None = None
    """Origins, separated by commas."""
    cors_credentials: bool | None = None
    functions: tuple[str, ...] = ()
    """Names to load; empty for all."""
    user_log_level: str | None = None
    task_hub: str | None = None
    """Where the task hub is stored: `storage` or `sqlite`."""
    retain: str | None = None
    """How long ended instances are kept, such as `7d`; `0` keeps them."""
    chaos: str | None = None
    """Faults to inject, see `chaos_setting`."""
    chaos_seed: int | None = None


def environment_overrides(environment: Iterable[tuple[str, str]]) -> list[tuple[tuple[str, ...], str]]:
    """The path and the value of every variable that overrides host.json."""
    found: list[tuple[tuple[str, ...], str]] = []
    for name, value in environment:
        folded = name.casefold().replace(":", "__")
        if folded.startswith(_PREFIX):
            path = tuple(segment for segment in name.replace(":", "__")[len(_PREFIX) :].split("__") if segment)
            if path:
                found.append((path, value))
    return sorted(found, key=lambda entry: [_order(segment) for segment in entry[0]])


def apply(content: dict[str, Any], overrides: Iterable[tuple[tuple[str, ...], str]]) -> dict[str, Any]:
    """A copy of `content` with the overrides applied. Keys ignore case, digits are array indexes."""
    result: Any = content
    for path, value in overrides:
        result = _with(result, path, value)
    return cast("dict[str, Any]", result)


def _with(node: Any, path: tuple[str, ...], value: str) -> Any:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(node, list) or (head.isdigit() and not isinstance(node, dict)):
        return _with_item(cast("list[Any]", node) if isinstance(node, list) else [], head, rest, value)
    members: Mapping[str, Any] = cast("dict[str, Any]", node) if isinstance(node, dict) else {}
    name = next((key for key in members if key.casefold() == head.casefold()), head)
    return {**members, name: _with(members.get(name), rest, value)}


def _with_item(items: list[Any], head: str, rest: tuple[str, ...], value: str) -> Any:
    if not head.isdigit():
        return _with({}, (head, *rest), value)
    position = int(head)
    if position >= len(items):
        return [*items, _with(None, rest, value)]
    return [*items[:position], _with(items[position], rest, value), *items[position + 1 :]]


def _order(segment: str) -> tuple[int, int, str]:
    return (0, int(segment), "") if segment.isdigit() else (1, 0, segment.casefold())
