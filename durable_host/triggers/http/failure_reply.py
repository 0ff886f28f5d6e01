"""The response of a failed function: a 500 that explains the error to the developer.

In Azure the body is empty.

Source: docs/protocol/functions-host-http.md#failed-requests
"""

import html
import json

import msgspec

from durable_host.http_port.local_names import is_address, is_local_host
from durable_host.redaction import redacted
from durable_host.triggers.http.reply import JSON, HttpFunctionReply


class ErrorDetails(msgspec.Struct, frozen=True):
    """Whether responses contain the error (`shown`), and for which host names in the request.

    Local names always count, with `by_address` also any IP address. With other names, pages on other sites might read
    the response.
    """

    shown: bool
    by_address: bool = False

    def for_host(self, host: str) -> bool:
        """Whether to show the error. `host` is the header of the request."""
        return self.shown and (is_local_host(host) or (self.by_address and is_address(host)))


def failure_reply(
    *, function: str, error: str, stack: str, accept: str, explain: bool, hint: str | None = None
) -> HttpFunctionReply:
    """The 500 response: with `explain`, a page for browsers and JSON for other clients, otherwise empty.

    `accept` is the request's header.
    """
    if not explain:
        return HttpFunctionReply(500)
    fields = {"error": redacted(error), "function": function, "stack": redacted(stack.rstrip())}
    if hint:
        fields["hint"] = hint
    if "text/html" not in accept:
        return HttpFunctionReply(500, (("Content-Type", JSON),), (json.dumps(fields, indent=2) + "\n").encode())
    return HttpFunctionReply(500, (("Content-Type", "text/html; charset=utf-8"),), _page(fields).encode())


def _page(fields: dict[str, str]) -> str:
    text = {name: html.escape(value) for name, value in fields.items()}
    hint = f"<p>{text['hint']}</p>" if "hint" in text else ""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{text["function"]} failed</title>
<style>body{{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}
h1{{font-size:1.1rem}}pre{{background:#f4f4f4;color:#222;padding:1rem;overflow:auto}}
p{{color:#555}}b{{color:#b00020}}</style></head>
<body><h1>The function {text["function"]} failed: <b>{text["error"]}</b></h1>{hint}
<pre>{text["stack"]}</pre>
<p>Shown by the local host only; in Azure the response is an empty 500.</p>
</body></html>
"""
