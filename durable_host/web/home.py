"""The page at `/`, unless a function has that route.

Source: docs/protocol/functions-host-admin.md#home-page
"""

import html
from collections.abc import Sequence

from durable_host.config.start_options import FunctionLine
from durable_host.redaction import redacted_struct

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Your Azure Function App is up and running.</title>
<style>body{font:16px/1.6 system-ui,sans-serif;margin:3rem auto;max-width:60rem;padding:0 1rem;color:#222}
h1{font-size:1.4rem}td{padding:.2rem 1.2rem .2rem 0;vertical-align:top}code,td{font-size:.95rem}
.no{color:#777}</style></head><body>
<h1>Your Azure Function App is up and running.</h1>
"""


_FOOT = """<p><a href="/admin/host/status">Status</a> · <a href="/admin/functions">Functions</a></p>
</body></html>
"""


def home_page(functions: Sequence[FunctionLine] | None, mcp_url: str | None = None) -> str:
    """The page with the list of functions, HTTP functions with their URL.

    `functions` is None for callers that must not see them. `mcp_url` is the address for MCP clients.
    """
    if functions is None:
        return _HEAD + "<p>Its functions are listed for callers that name this machine: localhost.</p></body></html>\n"
    rows = "".join(_row(redacted_struct(function)) for function in functions)
    table = f"<table>{rows}</table>" if rows else "<p>No functions were found in this folder.</p>"
    mcp = f"<p>MCP clients connect to <code>{html.escape(mcp_url)}</code></p>" if mcp_url else ""
    return _HEAD + table + mcp + _FOOT


def _row(function: FunctionLine) -> str:
    name = html.escape(function.name)
    if function.disabled:
        return f'<tr class="no"><td>{name}</td><td>disabled</td></tr>'
    if function.reason:
        return f'<tr class="no"><td>{name}</td><td>{html.escape(function.reason)}</td></tr>'
    if function.url is None:
        return f"<tr><td>{name}</td><td>{html.escape(function.kind)}</td></tr>"
    url, methods = html.escape(function.url), html.escape(" ".join(function.methods))
    can_be_followed = "{" not in function.url and (not function.methods or "GET" in function.methods)
    shown = url if not can_be_followed else f'<a href="{url}">{url}</a>'
    return f"<tr><td>{name}</td><td>{methods} {shown}</td></tr>"
