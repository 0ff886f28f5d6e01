"""Detects orchestrator code that relies on running from its beginning in each episode.

In Azure, no other code runs between the beginning of the orchestrator and the point that it has reached. So it can rely
on what it has stored in its thread, its module or its process, and it releases its locks at the end of each episode.
"""

from __future__ import annotations

import dis
import inspect
import threading
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .changes import Change, changes_in, names_in
from .failures import is_users

_AGENT_ORCHESTRATOR = "durable_openai_agent_orchestrator_generator"
_CONTAINERS = (list, dict, set, bytearray, deque, ChainMap, UserDict, UserList)
_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Semaphore)
_OF_THE_PROCESS = {
    "decimal": {"getcontext", "setcontext"},
    "locale": {"setlocale"},
    "os": {"chdir", "putenv", "umask", "unsetenv"},
    "random": {"seed", "setstate"},
    "time": {"tzset"},
}
_HIDDEN = frozenset({"_histories", "_is_replaying", "histories", "is_played", "is_replaying"})
_MOST_CODE = 200

_found: dict[tuple[CodeType, int], str | None] = {}


def reason_in(code: CodeType, variables: Mapping[str, Any]) -> str | None:
    """Why the code must not be kept alive between episodes, None if nothing is found. `variables` are its globals."""
    key = (code, id(variables))
    if key not in _found:
        _found[key] = _CodeCheck().at_code(code, variables)
    return _found[key]


def reason_of(function: FunctionType) -> str | None:
    """The reason for a function, including the variables of the functions around it."""
    return _CodeCheck().at_function(function)


class _CodeCheck:
    """A check of code, and of the functions and classes of the app that it uses."""

    def __init__(self) -> None:
        self._seen: set[CodeType] = set()

    def at_function(self, function: FunctionType) -> str | None:
        cells: dict[str, Any] = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
            try:
                cells[name] = cell.cell_contents
            except ValueError:
                continue
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        if any(isinstance(value, _CONTAINERS) for value in defaults):
            return f"{function.__name__} changes a default value, which keeps the change"
        return self.at_code(function.__code__, ChainMap(cells, function.__globals__))

    def at_code(self, code: CodeType, variables: Mapping[str, Any]) -> str | None:
        if code in self._seen or len(self._seen) >= _MOST_CODE:
            return None
        self._seen.add(code)
        if (reason := _static_reason(code)) is not None:
            return reason
        own = {name for part in _parts(code) for name in (*part.co_varnames, *part.co_cellvars)}
        for change in changes_in(code):
            if change.root not in own and (reason := _reason_of_change(code, change, variables)) is not None:
                return reason
        used = frozenset(name for part in _parts(code) for name in part.co_names)
        for name, value in _values(code, own, variables):
            reason = _reason_of_value(code, name, value) or self._inside(value, used)
            if reason is not None:
                return reason
        return None

    def _inside(self, value: Any, used: frozenset[str]) -> str | None:
        """The reason in a function or class of the app, or in an object of such a class with `used` methods."""
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, FunctionType):
            return self.at_function(value) if is_users(value.__code__.co_filename) else None
        is_shared = not isinstance(value, type)
        for name, member in _members(type(value) if is_shared else value).items():
            method = getattr(member, "__func__", member)
            if not isinstance(method, FunctionType) or not is_users(method.__code__.co_filename):
                continue
            if name not in used and not name.startswith("__"):
                continue
            makes_new = name in ("__init__", "__new__")
            keeps = isinstance(member, classmethod) or (is_shared and not makes_new)
            first = method.__code__.co_varnames[:1]
            if keeps and any((change.root,) == first for change in changes_in(method.__code__)):
                return f"{method.__qualname__} changes something that all runs share"
            if not (is_shared and makes_new) and (reason := self.at_function(method)) is not None:
                return reason
        return None


def _members(owner: Any) -> Mapping[str, Any]:
    return owner.__dict__


def _values(code: CodeType, own: set[str], variables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values of the names in the code, including functions of other modules of the app."""
    for path in names_in(code):
        if path[0] in own or path[0] not in variables:
            continue
        value = variables[path[0]]
        yield path[0], value
        if len(path) > 1 and isinstance(value, ModuleType) and is_users(getattr(value, "__file__", None) or "<none>"):
            yield ".".join(path[:2]), vars(value).get(path[1])


def _reason_of_value(code: CodeType, name: str, value: Any) -> str | None:
    if isinstance(value, threading.local):
        return f"{code.co_name} uses the thread-local '{name}'"
    if isinstance(value, _LOCKS):
        return f"{code.co_name} uses the lock '{name}', which it releases at the end of each episode"
    return None


def _reason_of_change(code: CodeType, change: Change, variables: Mapping[str, Any]) -> str | None:
    value = variables.get(change.root)
    if isinstance(value, ModuleType) and change.method in _OF_THE_PROCESS.get(value.__name__, ()):
        return f"{code.co_name} calls {value.__name__}.{change.method}"
    if change.method == "next" and hasattr(value, "__next__"):
        return f"{code.co_name} advances '{change.root}', which all runs share"
    if change.method:
        for name in change.path:
            value = getattr(value, "__dict__", {}).get(name)
        if not isinstance(value, _CONTAINERS):
            return None
    elif value is None and change.root != "globals":
        return None
    return f"{code.co_name} changes '{'.'.join((change.root, *change.path))}', which all runs share"


@lru_cache(maxsize=1024)
def _static_reason(code: CodeType) -> str | None:
    for part in _parts(code):
        if _AGENT_ORCHESTRATOR in part.co_names + part.co_freevars:
            return "durable_openai_agent_orchestrator reads the whole history in each episode"
        if "GeneratorExit" in part.co_names:
            return f"{code.co_name} handles GeneratorExit, so it notices the end of each episode"
        if "is_played" in part.co_names:
            return f"{code.co_name} reads what was played before (is_played)"
        if hidden := _HIDDEN.intersection(each for each in part.co_consts if isinstance(each, str)):
            return f"{code.co_name} reads '{min(hidden)}' by name"
        for instruction in dis.get_instructions(part):
            name = instruction.argval
            if instruction.opname == "STORE_GLOBAL":
                return f"{code.co_name} changes the global '{name}', which all runs share"
            if instruction.opname == "STORE_DEREF" and name in code.co_freevars:
                return f"{code.co_name} changes '{name}' of the function around it"
    return None


@lru_cache(maxsize=1024)
def _parts(code: CodeType) -> tuple[CodeType, ...]:
    """The code and the functions defined in it."""
    return tuple(_walk(code))


def _walk(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _walk(constant)
