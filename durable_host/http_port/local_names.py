"""Recognizes host names and addresses that only programs on this machine can use to call it.

A page on another site can bind its own name to the address of this machine (DNS rebinding). The browser then treats the
host as part of that site. This is not possible with these names, nor with an address.
"""

import ipaddress
import re
from functools import lru_cache
from urllib.parse import urlsplit

_HOST = re.compile(r"[\w.:\[\]-]+", re.ASCII)


def is_local_origin(origin: str) -> bool:
    """True for `http://localhost:3000` and the like; `null` (sandboxed pages, files) is not local."""
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host is not None and _is_loopback(host)


@lru_cache(maxsize=64)
def is_local_host(host: str) -> bool:
    """True if a `Host` header, with or without port, names a loopback address."""
    name = _name_of(host)
    return name is not None and _is_loopback(name)


def is_address(host: str) -> bool:
    """True if a `Host` header, with or without port, is an IP address."""
    name = _name_of(host)
    return name is not None and _address_of(name) is not None


def _name_of(host: str) -> str | None:
    if _HOST.fullmatch(host) is None:
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    name = name.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address_of(name)
    return address is not None and address.is_loopback


def _address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
