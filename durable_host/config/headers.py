"""Checks response headers like Azure's web server: a token as name, and printable ASCII as value.

Source: RFC 9110, sections 5.1 and 5.5; Kestrel refuses other characters, and the request ends in a 500.
"""

import re
from functools import lru_cache

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t -~]*")
_COOKIE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")


def header_mistake(name: str, value: str) -> str | None:
    """Why this header cannot be sent, or None. Cookies may have non-ASCII characters, which Azure escapes."""
    if not _is_name(name):
        return f"{name!a:.60} cannot be the name of a header: it takes letters, digits and !#$%&'*+-.^_`|~ only."
    if name.lower() == "set-cookie":
        if _COOKIE.fullmatch(value) is None:
            return "A cookie has control characters."
    elif not (value.isascii() and value.isprintable()) and _VALUE.fullmatch(value) is None:
        return (
            f"The value of the header {name!a} has control characters or non-ASCII characters, which Azure does not "
            "send either. Percent-encode it."
        )
    return None


@lru_cache(maxsize=256)
def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None
