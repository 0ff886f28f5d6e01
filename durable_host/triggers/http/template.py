"""Compiles route templates such as `items/{id:int}`, `{a}-{b}.{ext?}` and `{*rest}` to regular expressions.

The grammar is that of classic ASP.NET Core routing, which no Python package implements.

Source: docs/protocol/functions-host-http.md#route-templates
"""

import re
from dataclasses import dataclass
from itertools import product

from durable_host.triggers.http.constraints import Constraint, UnknownConstraint, make_constraint


class InvalidTemplate(ValueError):
    """A route is not a valid template; the message says where and why."""


@dataclass(frozen=True, slots=True)
class RouteParameter:
    """A parameter `{name}` with its modifiers."""

    name: str
    constraints: tuple[Constraint, ...] = ()
    default: str | None = None
    is_optional: bool = False
    is_catch_all: bool = False

    @property
    def may_be_absent(self) -> bool:
        return self.is_optional or self.is_catch_all or self.default is not None


Part = str | RouteParameter
Segment = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class RouteTemplate:
    """A compiled template. `text` is as declared, without outer slashes."""

    text: str
    segments: tuple[Segment, ...]
    _patterns: tuple[tuple[re.Pattern[str], tuple[RouteParameter | None, ...]], ...]

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the parameters if `path` (decoded, without a leading slash) matches, otherwise None.

        A slash at the end is ignored, except in the value of a catch-all parameter, which keeps it.
        """
        for pattern, parameters in self._patterns:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            values = _accepted_values(parameters, found.groups())
            if values is not None:
                return values
        return None

    def covers(self, other: "RouteTemplate") -> bool:
        """True if every path that matches `other` certainly matches this template too."""
        for index, segment in enumerate(self.segments):
            if len(segment) == 1 and isinstance(segment[0], RouteParameter) and segment[0].is_catch_all:
                return not segment[0].constraints
            if index >= len(other.segments) or not _segment_covers(segment, other.segments[index]):
                return False
        return len(self.segments) == len(other.segments)


def parse_template(text: str) -> RouteTemplate:
    """Raises `InvalidTemplate`."""
    text = re.sub("/{2,}", "/", text.strip("/")) if "//" in text else text.strip("/")
    segments = tuple(_parse_segment(piece, text) for piece in _split(text))
    if any("?" in part for segment in segments for part in segment if isinstance(part, str)):
        raise InvalidTemplate(f"The route '{text}' has a '?' outside of a parameter.")
    parameters = [part for segment in segments for part in segment if isinstance(part, RouteParameter)]
    names = [parameter.name.lower() for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise InvalidTemplate(f"The route '{text}' uses the parameter name '{name}' more than once.")
    if any(parameter.is_catch_all for parameter in parameters[:-1]) or (
        parameters and parameters[-1].is_catch_all and segments[-1] != (parameters[-1],)
    ):
        raise InvalidTemplate(f"The catch-all parameter of the route '{text}' must be its last segment.")
    return RouteTemplate(text, segments, tuple(_compile(segments)))


def _accepted_values(
    parameters: tuple[RouteParameter | None, ...], found: tuple[str | None, ...]
) -> dict[str, str] | None:
    values: dict[str, str] = {}
    for parameter, value in zip(parameters, found, strict=True):
        if parameter is None:
            continue
        if not value:
            if parameter.default is not None:
                values[parameter.name] = parameter.default
            continue
        if not all(accepts(value) for accepts in parameter.constraints):
            return None
        values[parameter.name] = value
    return values


def _segment_covers(mine: Segment, other: Segment) -> bool:
    if len(mine) == 1 and isinstance(mine[0], RouteParameter):
        absent = len(other) == 1 and isinstance(other[0], RouteParameter) and other[0].may_be_absent
        return not mine[0].constraints and (mine[0].may_be_absent or not absent)
    return all(isinstance(part, str) for part in (*mine, *other)) and _text(mine) == _text(other)


def _text(segment: Segment) -> str:
    return "".join(part for part in segment if isinstance(part, str)).lower()


def _split(text: str) -> list[str]:
    """Split at slashes that are not inside a parameter (a regex constraint may contain some)."""
    pieces: list[str] = []
    current, depth, index = "", 0, 0
    while index < len(text):
        if text[index : index + 2] in ("{{", "}}"):
            current += text[index : index + 2]
            index += 2
            continue
        if text[index] == "/" and depth == 0:
            pieces.append(current)
            current = ""
        else:
            depth += {"{": 1, "}": -1}.get(text[index], 0)
            current += text[index]
        index += 1
    return [*pieces, current] if text else []


def _parse_segment(piece: str, route: str) -> Segment:
    parts: list[Part] = []
    literal, index = "", 0
    while index < len(piece):
        two, char = piece[index : index + 2], piece[index]
        if two in ("{{", "}}"):
            literal += char
            index += 2
        elif char == "{":
            end = _closing_brace(piece, index + 1, route)
            if literal:
                parts.append(literal)
                literal = ""
            elif parts:
                raise InvalidTemplate(f"The route '{route}' has two parameters without a literal between them.")
            parts.append(_parse_parameter(piece[index + 1 : end].replace("{{", "{").replace("}}", "}"), route))
            index = end + 1
        elif char == "}":
            raise InvalidTemplate(f"The route '{route}' has a '}}' without a '{{'.")
        else:
            literal += char
            index += 1
    return (*parts, literal) if literal else tuple(parts)


def _closing_brace(piece: str, index: int, route: str) -> int:
    while index < len(piece):
        if piece[index : index + 2] in ("{{", "}}"):
            index += 2
        elif piece[index] == "}":
            return index
        else:
            index += 1
    raise InvalidTemplate(f"A parameter of the route '{route}' is not closed.")


def _parse_parameter(text: str, route: str) -> RouteParameter:
    rest = text.lstrip("*")
    is_catch_all, is_optional, default = rest != text, False, None
    name_match = re.match(r"[^:=?*{}/]*", rest)
    name = name_match.group() if name_match else ""
    rest = rest[len(name) :]
    if not name:
        raise InvalidTemplate(f"A parameter of the route '{route}' has no name.")
    if rest.endswith("?"):
        is_optional, rest = True, rest[:-1]
    constraints: list[Constraint] = []
    while rest.startswith(":"):
        constraint, rest = _cut_constraint(rest[1:])
        try:
            constraints.append(make_constraint(constraint))
        except UnknownConstraint as error:
            raise InvalidTemplate(f"{error} (route '{route}')") from None
    if rest.startswith("="):
        default = rest[1:]
    elif rest:
        raise InvalidTemplate(f"The parameter '{{{text}}}' of the route '{route}' cannot be understood.")
    return RouteParameter(name, tuple(constraints), default, is_optional, is_catch_all)


def _cut_constraint(text: str) -> tuple[str, str]:
    depth = 0
    for index, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0 and char in ":=":
            return text[:index], text[index:]
    return text, ""


def _compile(segments: tuple[Segment, ...]) -> list[tuple[re.Pattern[str], tuple[RouteParameter | None, ...]]]:
    """The patterns for all ways to omit optional parts, beginning with the complete one."""
    shortest = len(segments)
    while shortest and len(segments[shortest - 1]) == 1:
        only = segments[shortest - 1][0]
        if not isinstance(only, RouteParameter) or not only.may_be_absent:
            break
        shortest -= 1
    absent_defaults = [
        part
        for segment in segments
        for part in segment
        if isinstance(part, RouteParameter) and part.default is not None
    ]
    patterns: list[tuple[re.Pattern[str], tuple[RouteParameter | None, ...]]] = []
    for length in range(len(segments), shortest - 1, -1):
        variants = [_segment_variants(segment) for segment in segments[:length]]
        for chosen in product(*variants):
            source = "/".join(text for text, _ in chosen)
            parameters = [parameter for _, used in chosen for parameter in used]
            missing = [parameter for parameter in absent_defaults if parameter not in parameters]
            if source and not (parameters and parameters[-1].is_catch_all):
                source += "/?"
            source += "()" * len(missing)
            patterns.append((re.compile(source, re.IGNORECASE | re.DOTALL), (*parameters, *missing)))
    return patterns


def _segment_variants(segment: Segment) -> list[tuple[str, list[RouteParameter]]]:
    source, used = "", list[RouteParameter]()
    variants: list[tuple[str, list[RouteParameter]]] = []
    for index, part in enumerate(segment):
        if isinstance(part, str):
            source += re.escape(part)
            continue
        is_last_of_several = index == len(segment) - 1 > 0
        if part.is_optional and is_last_of_several and segment[index - 1] == ".":
            variants.append((source.removesuffix(re.escape(".")), list(used)))
        source += "((?:[^/].*)?)" if part.is_catch_all else "([^/]+)"
        used.append(part)
    return [(source, used), *variants]
