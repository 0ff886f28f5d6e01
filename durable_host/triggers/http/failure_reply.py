"""What a developer sees in the browser or in curl when a function fails: still a 500, but one that explains.

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
    """Whether the reason of a failure goes into the answer (`shown`), and by which names of the host callers may ask
    for it: local ones, `by_address` also any IP address. By other names, pages of other sites might read it.
    """

    shown: bool
    by_address: bool = False

    def for_host(self, host: str) -> bool:
        """`host` is the header of the request."""
        return self.shown and (is_local_host(host) or (self.by_address and is_address(host)))


def failure_reply(
    *, function: str, error: str, stack: str, accept: str, explain: bool, hint: str | None = None
) -> HttpFunctionReply:
    """500; with `explain` a page for browsers and JSON for everybody else. `accept` is the request's header."""
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
