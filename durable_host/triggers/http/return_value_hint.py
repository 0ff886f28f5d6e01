"""Hints for HTTP functions whose return value cannot be sent as a response."""

import re

_NO_OUTPUT = "without a $return binding returned a non-None value"
_REFUSED = re.compile(r'unsupported type "http" for Python type "([^"]*)"')
_JSON = 'func.HttpResponse(json.dumps(value), mimetype="application/json")'
_WAYS = {
    "NoneType": "Return a func.HttpResponse or a str on every path.",
    "dict": f"Return {_JSON}.",
    "list": f"Return {_JSON}.",
    "tuple": "Return func.HttpResponse(body, status_code=201), for example: a tuple is not a response.",
    "bytes": "Return func.HttpResponse(value).",
    "bytearray": "Return func.HttpResponse(bytes(value)).",
    "coroutine": "Put await before the call, and make the function async.",
    "generator": "Return the whole body in a func.HttpResponse.",
    "async_generator": "Return the whole body in a func.HttpResponse.",
    **dict.fromkeys(("int", "float", "bool"), f"Return str(value), or {_JSON}."),
}


def return_value_hint(message: str) -> str | None:
    """The hint for a failed HTTP function's error; None if it failed for another reason."""
    if _NO_OUTPUT in message:
        return (
            "The function returned a value and has no output for it. Add "
            '{"type": "http", "direction": "out", "name": "$return"} to the bindings of its function.json.'
        )
    match = _REFUSED.search(message)
    if match is None:
        return None
    kind = match[1]
    what = "None" if kind == "NoneType" else f"a value of the type {kind}"
    way = _WAYS.get(kind, f"Return a func.HttpResponse, such as {_JSON}.")
    return f"The function returned {what}; an HTTP response is a func.HttpResponse or a str. {way}"
