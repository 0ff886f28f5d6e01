"""Values of tests as JSON, with custom objects encoded as the SDKs for Python do."""

import dataclasses
import enum
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

__tracebackhide__ = True


def plain_json(value: Any) -> str:
    """JSON text, as of the 2.x SDK: objects with a method to_json, dataclasses, enums. Raises TypeError for others."""
    return _dumped(value, _plain)


def typed_json(value: Any) -> str:
    """JSON text, as of the 1.x SDK: objects with a method to_json, with their types. Raises TypeError for others."""
    return _dumped(value, _typed)


def strict_json(value: Any) -> str:
    """JSON text without custom objects, as of events in the 1.x SDK. Raises TypeError for them."""
    return _dumped(value, _refused)


def _dumped(value: Any, default: Callable[[Any], Any]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=default)
    except TypeError as error:
        raise TypeError(str(error)) from None  # without the frames of the encoder


def matches(expected: Any, actual: Any) -> bool:
    """Whether a value that the app has sent is `expected`, which may contain `unittest.mock.ANY` and the like."""
    if expected == actual:
        return True
    for encode in (plain_json, typed_json):
        try:
            if json.loads(encode(expected)) == actual:
                return True
        except (TypeError, ValueError):
            continue
    return False


def taken(expected: Any, rest: list[Any], is_equal: Callable[[Any, Any], bool]) -> bool:
    """Take the first element that `is_equal` to `expected` out of `rest`. Returns whether there is one."""
    for index, one in enumerate(rest):
        if is_equal(expected, one):
            del rest[index]
            return True
    return False


def _plain(value: Any) -> Any:
    hook = _hook_of(value)
    if hook is not None:
        return hook(value)
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, SimpleNamespace):
        return vars(value)
    raise _refusal(value)


def _typed(value: Any) -> Any:
    hook = _hook_of(value)
    if hook is None:
        raise _refusal(value)
    kind = value.__class__
    return {"__class__": kind.__name__, "__module__": kind.__module__, "__data__": hook(value)}


def _refused(value: Any) -> Any:
    raise _refusal(value)


def _hook_of(value: Any) -> Callable[[Any], Any] | None:
    hook: Callable[[Any], Any] | None = getattr(value.__class__, "to_json", None)
    return hook


def _refusal(value: Any) -> TypeError:
    return TypeError(f"JSON cannot represent a value of the type {type(value).__name__}: {value!r}")
