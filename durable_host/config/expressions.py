"""Binding expressions such as `{name}`, `{a.b}`, `{datetime:yyyyMMdd}`, evaluated for each invocation.

Positions in messages count characters from 0.

Source: docs/protocol/functions-host-expressions.md#templates,
    docs/protocol/functions-host-expressions.md#lookup-of-names,
    docs/protocol/functions-host-expressions.md#rendering-of-values
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid4

import msgspec

from durable_host.config.dotnet_format import format_datetime, format_guid
from durable_host.errors import HostError

_NAME: Final = re.compile(r"[^\W-]\w*(?:\.[\w-]+)*")
_DEFAULT_DATE: Final = "yyyy-MM-ddTHH-mm-ssK"
_SPECIAL: Final = re.compile(r"\{\{|\}\}|\{|\}")


class TemplateInvalid(HostError):
    """The syntax of a binding expression is wrong: unbalanced braces, or an empty or invalid name."""

    code = "DH5010"


class ExpressionFailed(HostError):
    """A binding expression names a value that this invocation does not have."""

    code = "DH5011"


class Literal(msgspec.Struct, frozen=True):
    """Literal text; `{{` and `}}` are already single braces."""

    text: str


class ExpressionParameter(msgspec.Struct, frozen=True):
    """`{name}` or `{name:format}`; `segments` are the parts of a dotted name."""

    name: str
    format: str | None = None

    @property
    def segments(self) -> list[str]:
        return self.name.split(".")


class SystemValues(msgspec.Struct, frozen=True):
    """The values for built-in expressions."""

    method_name: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    new_guid: Callable[[], UUID] = uuid4


class BindingExpression(msgspec.Struct, frozen=True):
    """A parsed property value."""

    source: str
    tokens: tuple[Literal | ExpressionParameter, ...]

    @property
    def parameters(self) -> tuple[ExpressionParameter, ...]:
        return tuple(token for token in self.tokens if isinstance(token, ExpressionParameter))

    @property
    def is_static(self) -> bool:
        """True if the text is the same for every invocation."""
        return not self.parameters

    def render(
        self,
        data: Mapping[str, Any],
        system: SystemValues = SystemValues(),
        quote: Callable[[str], str] | None = None,
    ) -> str:
        """The text for one invocation's binding data. `quote` escapes each inserted value.

        Raises ExpressionFailed for a name that is neither in `data` nor built in.
        """
        pieces: list[str] = []
        for token in self.tokens:
            if isinstance(token, Literal):
                pieces.append(token.text)
            else:
                text = _evaluate(token, data, system)
                pieces.append(text if quote is None else quote(text))
        return "".join(pieces)


def parse(text: str) -> BindingExpression:
    """Split `text` into literals and parameters. Raises TemplateInvalid with the texts of the Functions host."""
    tokens = tuple(_merge(_tokens(text)))
    return BindingExpression(text, tokens)


def is_builtin(name: str) -> bool:
    """True for names that need no binding data."""
    return name.casefold() in {"rand-guid", "datetime", "sys.randguid", "sys.utcnow", "sys.methodname"}


def _tokens(text: str) -> Iterator[Literal | ExpressionParameter]:
    position = 0
    while (match := _SPECIAL.search(text, position)) is not None:
        if match.start() > position:
            yield Literal(text[position : match.start()])
        mark, position = match.group(), match.end()
        if mark in {"{{", "}}"}:
            yield Literal(mark[0])
        elif mark == "}":
            raise TemplateInvalid(f"Invalid template '{text}'. Missing opening bracket at position {match.start()}.")
        else:
            end = text.find("}", position)
            inner = text[position:end]
            if end < 0 or "{" in inner:
                raise TemplateInvalid(
                    f"Invalid template '{text}'. Missing closing bracket at position "
                    f"{len(text) if end < 0 else position + inner.index('{')}."
                )
            yield _parameter(text, inner, position)
            position = end + 1
    if position < len(text):
        yield Literal(text[position:])


def _parameter(template: str, inner: str, position: int) -> ExpressionParameter:
    name, colon, pattern = inner.partition(":")
    name = name.strip()
    if not name:
        raise TemplateInvalid(f"Invalid template '{template}'. The parameter name at position {position} is empty.")
    if not is_builtin(name) and _NAME.fullmatch(name) is None:
        raise TemplateInvalid(
            f"Invalid template '{template}'. The parameter name '{name}' is invalid.",
            remedy="Names consist of letters, digits and '_', with '.' between parts; '-' only after the first '.'.",
        )
    return ExpressionParameter(name, pattern if colon else None)


def _merge(tokens: Iterator[Literal | ExpressionParameter]) -> Iterator[Literal | ExpressionParameter]:
    """Merge adjacent literals."""
    pending = ""
    for token in tokens:
        if isinstance(token, Literal):
            pending += token.text
            continue
        if pending:
            yield Literal(pending)
            pending = ""
        yield token
    if pending:
        yield Literal(pending)


def _evaluate(parameter: ExpressionParameter, data: Mapping[str, Any], system: SystemValues) -> str:
    first, *rest = parameter.segments
    found, value = _member(data, first)
    if not found:
        return _builtin(parameter, system)
    is_token = False
    for segment in rest:
        is_token = isinstance(value, Mapping)
        present, value = _member(value, segment)
        if not present:
            raise ExpressionFailed(f"Error while accessing '{segment}': property doesn't exist.")
    try:
        return render_value(value, parameter.format, is_json=is_token)
    except ValueError as error:
        raise ExpressionFailed(f"The format of '{{{parameter.name}:{parameter.format}}}' is invalid: {error}") from None


def _member(container: Any, name: str) -> tuple[bool, Any]:
    """Look `name` up in a mapping (case is ignored) or among the properties of an object."""
    if isinstance(container, Mapping):
        members = cast("Mapping[str, Any]", container)
        if name in members:
            return True, members[name]
        folded = name.casefold()
        return next(((True, value) for key, value in members.items() if key.casefold() == folded), (False, None))
    if isinstance(container, msgspec.Struct):
        folded = name.casefold()
        for field in container.__struct_fields__:
            if field.replace("_", "").casefold() == folded:
                return True, getattr(container, field)
    return False, None


def _builtin(parameter: ExpressionParameter, system: SystemValues) -> str:
    name = parameter.name.casefold()
    try:
        if name in {"rand-guid", "sys.randguid"}:
            return format_guid(system.new_guid(), parameter.format)
        if name in {"datetime", "sys.utcnow"}:
            pattern = (parameter.format or "").partition(".")[0]
            return format_datetime(system.now(), pattern or _DEFAULT_DATE)
        if name == "sys.methodname":
            return system.method_name
    except ValueError as error:
        raise ExpressionFailed(f"The format of '{{{parameter.name}:{parameter.format}}}' is invalid: {error}") from None
    if name.startswith("sys."):
        segment = parameter.segments[1]
        raise ExpressionFailed(f"Error while accessing '{segment}': property doesn't exist.")
    raise ExpressionFailed(
        f"No value for named parameter '{parameter.name}'.",
        remedy="Binding expressions can use what the trigger provides, the properties of a JSON object in its "
        "payload, and system values such as {sys.utcnow} or {rand-guid}.",
    )


def render_value(value: Any, pattern: str | None = None, *, is_json: bool = False) -> str:
    """A value as text. Objects, arrays, booleans and floats become empty, as in the Functions host.

    A naive datetime represents .NET's DateTime in UTC, an aware one DateTimeOffset, which becomes empty too.

    `is_json`: the value was found inside a JSON object, where every primitive has a text form.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool | float):
        return json_primitive(value) if is_json else ""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, UUID):
        return format_guid(value, pattern)
    if isinstance(value, datetime) and value.tzinfo is None:
        return format_datetime(value.replace(tzinfo=UTC), pattern or _DEFAULT_DATE)
    return ""


def json_primitive(value: bool | float) -> str:
    """A JSON boolean or number, printed like .NET."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, float):
        text = f"{value:.0f}" if 1e16 <= abs(value) < 1e17 else repr(value)
        return text.removesuffix(".0") if "e" not in text else text.replace("e", "E")
    return str(value)
