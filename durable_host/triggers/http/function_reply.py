"""Creates the response from a function's outputs.

Source: docs/protocol/functions-host-http.md#response-objects, docs/protocol/functions-host-http.md#returned-values
"""

from collections.abc import Mapping

from durable_host.invocation.datum import Datum, HttpReply
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.http.reply import HttpFunctionReply, bytes_reply, checked_status, sent_headers, text_reply


def function_reply(
    function: FunctionMetadata, returned: Datum | None, outputs: Mapping[str, Datum]
) -> HttpFunctionReply:
    """The response. A function without an HTTP output, whose `$return` is another binding, returns an empty 200.

    Raises `InvalidReply` if the value cannot be sent.
    """
    http_output = function.http_output
    if http_output is None:
        return HttpFunctionReply(204) if function.return_binding is None else HttpFunctionReply(200)
    value = returned if http_output.is_return else outputs.get(http_output.name)
    if value is not None and not value.is_none:
        return datum_reply(value)
    if not http_output.is_return and returned is not None and not returned.is_none:
        return datum_reply(returned)
    return HttpFunctionReply(204)


def datum_reply(value: Datum) -> HttpFunctionReply:
    if value.kind == "http":
        return _of_response(value.value)
    if value.kind == "bytes":
        return bytes_reply(value.value)
    return text_reply(value.as_text() or "")


def _of_response(response: HttpReply) -> HttpFunctionReply:
    headers = sent_headers(response.headers.items(), is_typed=response.is_complete or not response.body)
    return HttpFunctionReply(checked_status(response.status), headers, response.body, tuple(response.cookies))
