"""Inline constraints of route parameters, as in ASP.NET Core routing.

Source: docs/protocol/functions-host-http.md#route-constraints
"""

import re
from collections.abc import Callable
from datetime import datetime

Constraint = Callable[[str], bool]

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,4000}\s*")
_NUMBER = re.compile(r"\s*[+-]?(?:[0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)\s*")
_FLOAT = re.compile(
    r"\s*(?:[+-]?(?:[0-9][0-9,]*(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|NaN|-?Infinity|-?∞)\s*", re.IGNORECASE
)
_GUID = re.compile(
    r"[0-9a-f]{32}|(?P<brace>[{(])?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?(brace)[)}])", re.IGNORECASE
)
_ALPHA = re.compile(r"[a-z]*", re.IGNORECASE)
_DATE_FORMATS = (
    "%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%m-%d-%Y", "%Y/%m/%d", "%d %B %Y",
    "%B %d, %Y", "%Y-%m", "%H:%M", "%H:%M:%S",
)  # fmt: skip


class UnknownConstraint(ValueError):
    """A route has an unknown constraint, or one with wrong arguments."""


def make_constraint(text: str) -> Constraint:
    """The test for a constraint such as `int`, `range(1,5)` or `regex(^a$)`. Raises `UnknownConstraint`."""
    name, parenthesis, rest = text.partition("(")
    argument = rest[:-1] if parenthesis and rest.endswith(")") else None
    if parenthesis and argument is None:
        raise UnknownConstraint(f"The constraint '{text}' has no closing parenthesis.")
    try:
        return _with_argument(name.lower(), argument) if argument is not None else _WITHOUT_ARGUMENT[name.lower()]
    except (KeyError, ValueError, re.error) as error:
        detail = f": {error}" if isinstance(error, re.error) else ""
        raise UnknownConstraint(
            f"The route constraint '{text}' is not known or its arguments are wrong{detail}."
        ) from None


def _with_argument(name: str, argument: str) -> Constraint:
    if name == "regex":
        pattern = re.compile(argument, re.IGNORECASE)
        return lambda value: pattern.search(value) is not None
    numbers = [int(part) for part in argument.split(",")]
    match name, numbers:
        case "minlength", [shortest]:
            return lambda value: len(value) >= shortest
        case "maxlength", [longest]:
            return lambda value: len(value) <= longest
        case "length", [exact]:
            return lambda value: len(value) == exact
        case "length", [shortest, longest]:
            return lambda value: shortest <= len(value) <= longest
        case "min", [lowest]:
            return lambda value: _is_long(value) and int(value) >= lowest
        case "max", [highest]:
            return lambda value: _is_long(value) and int(value) <= highest
        case "range", [lowest, highest]:
            return lambda value: _is_long(value) and lowest <= int(value) <= highest
        case _:
            raise KeyError(name)


def _is_integer(value: str, bits: int) -> bool:
    return _INTEGER.fullmatch(value) is not None and -(1 << bits - 1) <= int(value) < 1 << bits - 1


def _is_int(value: str) -> bool:
    return _is_integer(value, 32)


def _is_long(value: str) -> bool:
    return _is_integer(value, 64)


def _is_decimal(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None


def _is_float(value: str) -> bool:
    return _FLOAT.fullmatch(value) is not None


def _is_bool(value: str) -> bool:
    return value.strip().lower() in ("true", "false")


def _is_guid(value: str) -> bool:
    return _GUID.fullmatch(value.strip()) is not None


def _is_alpha(value: str) -> bool:
    return _ALPHA.fullmatch(value) is not None


def _is_datetime(value: str) -> bool:
    value = value.strip()
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return any(_has_format(value, form) for form in _DATE_FORMATS)
    return True


def _has_format(value: str, form: str) -> bool:
    try:
        datetime.strptime(value, form)
    except ValueError:
        return False
    return True


_WITHOUT_ARGUMENT: dict[str, Constraint] = {
    "int": _is_int,
    "long": _is_long,
    "bool": _is_bool,
    "alpha": _is_alpha,
    "guid": _is_guid,
    "decimal": _is_decimal,
    "double": _is_float,
    "float": _is_float,
    "datetime": _is_datetime,
    "required": bool,
}
