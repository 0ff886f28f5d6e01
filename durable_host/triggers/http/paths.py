"""Parses paths and queries of requests like the web server of Azure Functions.

Source: docs/protocol/functions-host-http.md#requests
"""

import re

_ESCAPES = re.compile(r"(?:%[0-9a-f]{2})+", re.IGNORECASE)
_ESCAPED_DOT = re.compile("%2e", re.IGNORECASE)
_NOT_IN_PATHS = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")
_SLASH = 0x2F


def unescape(text: str, *, keep_slash: bool = False) -> str:
    """Percent-decode. Escapes that are not UTF-8 stay unchanged, and so does `%2F` with `keep_slash`."""

    def decoded(match: re.Match[str]) -> str:
        run = match[0]
        raw = bytes.fromhex(run.replace("%", ""))
        if not (keep_slash and _SLASH in raw):
            try:
                return raw.decode()
            except UnicodeDecodeError:
                pass
        pieces: list[str] = []
        position = 0
        for character in raw.decode("utf-8", "surrogateescape"):
            is_kept = "\udc80" <= character <= "\udcff" or (keep_slash and character == "/")
            pieces.append(run[3 * position : 3 * position + 3] if is_kept else character)
            position += 1 if is_kept else len(character.encode())
        return "".join(pieces)

    return _ESCAPES.sub(decoded, text) if "%" in text else text


def decoded_path(raw_path: str) -> str:
    """The path for matching routes."""
    return unescape(raw_path, keep_slash=True)


def path_of_url(raw_path: str) -> str:
    """The path in `req.url`: decoded, with characters that a URL cannot contain encoded again."""
    if "%" not in raw_path and _NOT_IN_PATHS.search(raw_path) is None:
        return raw_path
    return _NOT_IN_PATHS.sub(_encoded, decoded_path(raw_path))


def without_dots(raw_path: str) -> str:
    """The path with `.` and `..` resolved; `..` cannot go above the root."""
    if "/." not in (path := _ESCAPED_DOT.sub(".", raw_path) if "%" in raw_path else raw_path):
        return raw_path
    kept: list[str] = []
    segments = raw_path.split("/")[1:]
    plain = path.split("/")[1:]
    for segment, name in zip(segments, plain, strict=True):
        if name == "..":
            del kept[-1:]
        elif name != ".":
            kept.append(segment)
    if plain[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def query_parameters(raw_query: str) -> list[tuple[str, str]]:
    """Names and values in order; a name without `=` has an empty value."""
    pairs: list[tuple[str, str]] = []
    for piece in raw_query.split("&"):
        if piece:
            name, _, value = piece.replace("+", " ").partition("=")
            pairs.append((unescape(name), unescape(value)))
    return pairs


def joined_query(raw_query: str) -> dict[str, str]:
    """The values of each name, joined with `,`. Names are not case-sensitive; the first spelling is kept."""
    spellings: dict[str, str] = {}
    joined: dict[str, str] = {}
    for name, value in query_parameters(raw_query):
        known = spellings.setdefault(name.lower(), name)
        joined[known] = f"{joined[known]},{value}" if known in joined else value
    return joined


def _encoded(match: re.Match[str]) -> str:
    text = match[0]
    return text if len(text) == 3 else "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))
