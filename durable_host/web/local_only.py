"""Restricts management routes to programs and pages on this machine.

A page on another site can make a browser call this host. Browsers report this in `Sec-Fetch-Site`, for images and
links too, and in `Origin`. If the page has bound its own host name to this address, the `Host` header shows that.
Another machine can forge all of these headers, but not its address.
"""

import ipaddress
from functools import lru_cache

from aiohttp import web

from durable_host.config.container import container_gateway
from durable_host.http_port.local_names import is_local_host, is_local_origin

_SAME_SITE = frozenset({"same-origin", "same-site", "none"})
"""The values for pages on this machine, and for URLs that a person typed. Only browsers send the header."""


REFUSAL = (
    "Only local callers may use the management API. This request comes from another machine, from a page of another "
    "site, or does not name this machine as its host. A link on such a page does not work either: type the URL."
)


def is_local_request(request: web.Request) -> bool:
    """True if the caller is on this machine, uses a name of it, and does not act for a page on another site."""
    if request.remote is not None and not is_local_peer(request.remote, container_gateway()):
        return False
    if not _SAME_SITE.issuperset(request.headers.getall("Sec-Fetch-Site", ())):
        return False
    origin = request.headers.get("Origin")
    if origin is not None and not is_local_origin(origin):
        return False
    return is_local_host(request.host)


@lru_cache(maxsize=64)
def is_local_peer(address: str, gateway: str | None) -> bool:
    """True for a loopback address, and for the machine around a container, which calls through the `gateway`."""
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return peer.is_loopback or str(peer) == gateway
