"""Checks table names."""

import re

from durable_host.bindings.properties import BindingFailed

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")


def table_name(text: str) -> str:
    """Raises BindingFailed."""
    if not _NAME.fullmatch(text):
        raise BindingFailed(
            f"'{text}' is not a valid table name: it must have 3 to 63 letters and digits, and begin with a letter."
        )
    return text
