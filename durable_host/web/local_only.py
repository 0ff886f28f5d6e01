"""Who may use management routes: programs and pages on this machine.

A page of another site can make a browser call this host. Browsers say so in `Sec-Fetch-Site`, with images and links
too, and in `Origin`; and when the page has bound a name of its own to this address, the `Host` gives it away. Another
machine can write what it likes into all of them; its address tells.
Source: DESIGN.md, "Nothing phones home".
"""

import ipaddress

from aiohttp import web

from durable_host.config.container import container_gateway
from durable_host.http_port.local_names import is_local_host, is_local_origin

_SAME_SITE = frozenset({"same-origin", "same-site", "none"})
"""Pages of this machine, and what a person has typed. Programs other than browsers do not send it."""


REFUSAL = (
    "Only local callers may use the management API. This request comes from another machine, from a page of another "
    "site, or does not name this machine as its host. A link on such a page does not work either: type the URL."
)


def is_local_request(request: web.Request) -> bool:
    """True when a program of this machine calls it by a name of this machine, and not for a page of another site."""
    if request.remote is not None and not is_local_peer(request.remote, container_gateway()):
        return False
    if not _SAME_SITE.issuperset(request.headers.getall("Sec-Fetch-Site", ())):
        return False
    origin = request.headers.get("Origin")
    if origin is not None and not is_local_origin(origin):
        return False
    return is_local_host(request.host)


def is_local_peer(address: str, gateway: str | None) -> bool:
    """True for a loopback address, and for the machine around a container, which calls through its `gateway`."""
    try:
        peer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return peer.is_loopback or str(peer) == gateway
