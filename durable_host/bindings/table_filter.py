"""Inserts an invocation's values into the `filter` of a table binding.

A value can neither end the quoted text that contains it nor add conditions.

Source: docs/protocol/functions-host-tables.md#table-input
"""

import re
from collections.abc import Mapping
from typing import Any

from durable_host.bindings.properties import BindingFailed, template
from durable_host.config.expressions import BindingExpression, Literal, SystemValues

_NO_TEXT = re.compile(
    r"-?\d+(\.\d+)?([eE][+-]?\d+)?L?|true|false|(datetime|guid|X|binary)'[0-9A-Za-z:.+\-]*'", re.IGNORECASE
)


def filter_text(text: str, data: Mapping[str, Any], function_name: str) -> str:
    """The filter with values inserted: escaped inside quotes, otherwise only literals.

    Raises ExpressionFailed and BindingFailed.
    """
    system = SystemValues(function_name)
    pieces: list[str] = []
    in_quotes = False
    for token in template(text).tokens:
        if isinstance(token, Literal):
            pieces.append(token.text)
            in_quotes ^= token.text.count("'") % 2 == 1
            continue
        value = BindingExpression(text, (token,)).render(data, system)
        if in_quotes:
            value = value.replace("'", "''")
        elif not _NO_TEXT.fullmatch(value):
            raise BindingFailed(
                f"An invalid parameter value was specified for filter parameter '{token.name}'.",
                cause=f"'{value:.80}' is not a number, boolean, date or GUID.",
                remedy=f"To compare with text, put quotes around it in the filter: '{{{token.name}}}'.",
            )
        pieces.append(value.lower() if value in ("True", "False") and not in_quotes else value)
    return "".join(pieces)
