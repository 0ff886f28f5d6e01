"""Formats response headers as .NET returns them to `call_http`: known headers are parsed and formatted again.

A known header that cannot be parsed is not changed. Other headers are not changed either; each line is a value.

Source: docs/protocol/durable-actions.md#callhttp
"""

import re
from collections.abc import Callable

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_COMMENT = r"\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\)"
_VALUE = rf"(?:{_QUOTED}|{_TOKEN})"
_PARAMETER = rf"{_TOKEN}(?:\s*=\s*{_VALUE})?"
_LISTS = {
    "accept-ranges": _TOKEN,
    "connection": _TOKEN,
    "pragma": _PARAMETER,
    "trailer": _TOKEN,
    "transfer-encoding": rf"{_TOKEN}(?:\s*;\s*{_PARAMETER})*",
    "upgrade": rf"{_TOKEN}(?:/{_TOKEN})?",
    "vary": _TOKEN,
    "via": rf"(?:{_TOKEN}/)?{_TOKEN}\s+[^\s,()]+(?:\s+{_COMMENT})?",
    "warning": rf"\d{{1,3}}\s+[^\s,]+\s+{_QUOTED}(?:\s+{_QUOTED})?",
}
_CHALLENGE = rf"{_TOKEN}(?:\s+(?:{_TOKEN}\s*=\s*{_VALUE}(?:\s*,\s*{_TOKEN}\s*=\s*{_VALUE})*|[^\s,=\"]+=*))?"
_PRODUCT = rf"{_TOKEN}(?:/{_TOKEN})?|{_COMMENT}"
_SERVICE = rf"(?P<name>{_TOKEN})=(?P<authority>{_QUOTED})(?P<parameters>(?:\s*;\s*{_PARAMETER})*)"
_DAY = "86400"
_ORDER = (
    "no-store", "no-transform", "only-if-cached", "public", "must-revalidate", "proxy-revalidate", "no-cache",
    "max-age", "s-maxage", "max-stale", "min-fresh", "private",
)  # fmt: skip
_SECONDS = ("max-age", "s-maxage", "min-fresh")


def parsed_values(name: str, lines: list[str]) -> list[str]:
    """Return the values of the header `name`, received in `lines`."""
    name = name.lower()
    if name == "cache-control":
        return _cache_control(lines)
    return [value for line in lines for value in _parser_of(name)(line) or [line]]


def _parser_of(name: str) -> Callable[[str], list[str]]:
    if name == "server":
        return _products
    if name == "alt-svc":
        return _services
    if name in ("www-authenticate", "proxy-authenticate"):
        return lambda line: _items(_CHALLENGE, line)
    return lambda line: _items(_LISTS[name], line) if name in _LISTS else []


def _items(pattern: str, line: str) -> list[str]:
    """Return the items of a list if all match `pattern`, otherwise an empty list. Empty items are ignored."""
    found: list[str] = []
    position = 0
    item = re.compile(rf"[\s,]*(?P<item>{pattern})\s*(?:,|$)")
    while position < len(line):
        match = item.match(line, position)
        if match is None:
            return found if found and not line[position:].strip(" ,") else []
        found.append(match["item"])
        position = match.end()
    return found


def _products(line: str) -> list[str]:
    is_clean = re.fullmatch(rf"\s*(?:{_PRODUCT})(?:\s+(?:{_PRODUCT}))*\s*", line) is not None
    return re.findall(_PRODUCT, line) if is_clean else []


def _services(line: str) -> list[str]:
    """Return the alternative services. A max age of one day is the default and is omitted."""
    return [_service(part) for part in _items(re.sub(r"\?P<\w+>", "", _SERVICE), line)]


def _service(text: str) -> str:
    service = re.fullmatch(_SERVICE, text)
    assert service is not None
    parameters = dict(re.findall(rf"({_TOKEN})\s*=\s*({_VALUE})", service["parameters"]))
    kept = {"ma": parameters.get("ma", _DAY), "persist": parameters.get("persist", "0")}
    rest = "".join(
        f"; {name}={kept[name]}" for name, default in (("ma", _DAY), ("persist", "0")) if kept[name] != default
    )
    return f"{service['name']}={service['authority']}{rest}"


def _cache_control(lines: list[str]) -> list[str]:
    """Merge all lines into one value, with known directives first, in .NET's order."""
    directives: dict[str, str] = {}
    for line in lines:
        items = _items(_PARAMETER, line)
        if not items or any(not _is_directive(item) for item in items):
            return lines
        for item in items:
            name, equals, value = (part.strip() for part in item.partition("="))
            known = name.lower() if name.lower() in _ORDER else name
            directives[known] = f"{known}{equals}{value}"
    known = [directives.pop(name) for name in _ORDER if name in directives]
    return [", ".join([*known, *directives.values()])]


def _is_directive(item: str) -> bool:
    name, equals, value = (part.strip() for part in item.partition("="))
    return name.lower() not in _SECONDS or (bool(equals) and value.isdigit())
