"""Who may use management routes: programs and pages on this machine.

A page of another site can make a browser call this host; its `Origin` gives it away, or, when it has bound a name of
its own to this address, the `Host` it used. Source: DESIGN.md, "Nothing phones home".
"""

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web


def is_local_request(request: web.Request) -> bool:
    """True when the request names this machine as its host and does not come from a page of elsewhere."""
    origin = request.headers.get("Origin")
    if origin is not None and not is_local_origin(origin):
        return False
    return is_local_host(request.host)


def is_local_origin(origin: str) -> bool:
    """True for `http://localhost:3000` and the like; `null` (sandboxed pages, files) is not local."""
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host is not None and _is_loopback(host)


def is_local_host(host: str) -> bool:
    """True when a `Host` header, with or without port, names a loopback address."""
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and _is_loopback(name)


def _is_loopback(name: str) -> bool:
    name = name.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
