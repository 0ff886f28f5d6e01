"""Finds and hides secrets in all output of the host: log lines, errors, listings, admin routes, pages, traces.

Secrets are the account keys and signatures of connection strings and URLs, function keys, passwords and tokens. They
are recognized by the words around them, and an account key by its form. The results of the app's orchestrations and
functions are not changed.

Source: docs/protocol/functions-host-worker.md#hidden-credentials
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)

HIDDEN: Final = "[Hidden Credential]"

_NAMES: Final = (
    r"account_?key|shared_?access_?key|shared_?access_?signature|client_?secret|connection_?string|password|passwd|pwd"
    r"|access_?token|api_?key|x-functions-key|master_?key|aeg-sas-(?:key|token)"
)
_HEADERS: Final = r"authorization|x-functions-key|api-key|aeg-sas-key|aeg-sas-token"
_IS: Final = r"(?:\s{0,3}=\s{0,3}|%(?:25)*3d)"
_VALUE: Final = r"""(?:\\*["'](?=[^\s"',;.)\]}\\]))?[^"'<\n]+"""
"""Up to a quotation mark, `<` or the end of the line. A quotation mark directly before the value is part of it."""

_PATTERNS: Final = (
    # Like the Functions host: from such a word up to a quotation mark, `<` or the end of the line.
    re.compile(
        rf"(?:token=|defaultendpointsprotocol=http|accountkey{_IS}|data\ source=|server=|password=|pwd=|secret="
        rf"|sharedaccesskey{_IS}|sharedaccesssignature{_IS}|(?:[&?]|&amp;|(?<![a-z0-9_]))sig{_IS}|u0026sig="
        rf"|(?:[&?]|&amp;|u0026)code=|(?:\A|(?<=[\"']))code=(?!\d+\b)|%(?:25)*(?:3f|26)(?:sig|code)%(?:25)*3d"
        rf"|(?<![a-z0-9_])code=(?=[\w%+/-]{{20}})|(?<!partition)(?<!row)key=){_VALUE}",
        re.IGNORECASE,
    ),
    # A member of an object in JSON or Python, and an assignment in a line of code.
    re.compile(
        rf"""(?P<kept>(?:["'](?:{_NAMES})\\*["']\s{{0,9}}:\s{{0,9}}|(?:{_NAMES})\s{{0,9}}[=:]\s{{1,9}})[bfr]?)"""
        r"""(?P<quote>\\*["'])(?!\[Hidden )(?:(?!(?P=quote))(?:\\.|[^\n]))+""",
        re.IGNORECASE,
    ),
    # A header.
    re.compile(
        rf"""(?P<kept>(?:{_HEADERS})(?:["']?\s{{0,9}}[:=]\s{{0,9}}(?:b?["'])?|["'],\s{{0,9}}b?["']))"""
        r"""[^\s"'<\[][^"'<\n]*""",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<kept>\b(?:bearer|sharedkey(?:lite)?) )[\w.:~+/-]{16,}=*", re.IGNORECASE),
    # The password in a URL.
    re.compile(r"""(?P<kept>://[^\s/:@'"<>]*:)[^\s/'"<>]+(?=@)""", re.IGNORECASE),
    # The key of a storage account: 64 bytes in base64.
    re.compile(r"(?<![A-Za-z0-9+/=-])[A-Za-z0-9+/]{86}==(?![A-Za-z0-9+/=])"),
)
_MARKS: Final = (
    *("key", "sig=", "sig%", "code=", "code%", "secret", "passw", "pwd", "token", "server=", "data source=", "://"),
    *("signature", "authorization", "bearer", "defaultendpointsprotocol", "connectionstring", "connection_string"),
    "==",
)
"""In lower case. A text without any of these contains no secret, so most log lines need no search."""
_SECRET_MEMBER: Final = re.compile(_NAMES, re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` with every secret in it replaced by `[Hidden Credential]`."""
    folded = text.lower()
    for mark in _MARKS:  # a generator would take half as long again, and each log line comes here
        if mark in folded:
            break
    else:
        return text
    for pattern in _PATTERNS:
        text = pattern.sub(_hidden, text)
    return text


def redacted_json(value: Any) -> Any:
    """A JSON value with secrets hidden: those inside texts, and whole texts whose member has the name of a secret."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {redacted(name): _member(name, member) for name, member in members.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [redacted_json(item) for item in cast("Sequence[Any]", value)]
    return value


def redacted_struct(record: Record) -> Record:
    """The same record with the secrets in its texts hidden."""
    return msgspec.convert(redacted_json(msgspec.to_builtins(record)), type(record))


def looks_like_connection_string(text: str) -> bool:
    """True for a text that is a setting's value, although its name is expected. Such a text must not be printed."""
    folded = text.casefold()
    return ("=" in folded and ";" in folded) or folded.startswith("usedevelopmentstorage=") or redacted(text) != text


def _member(name: str, value: Any) -> Any:
    if isinstance(value, str) and value and _SECRET_MEMBER.fullmatch(name):
        return HIDDEN
    return redacted_json(value)


def _hidden(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return f"{groups.get('kept') or ''}{groups.get('quote') or ''}{HIDDEN}"
