"""Detects whether the host runs in a container, which affects its address and its callers."""

import os
import socket
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from durable_host.ports import LOOPBACK

_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
_ROUTES: Final = Path("/proc/net/route")
_FORWARDED: Final = ("REMOTE_CONTAINERS", "CODESPACES", "CI")


def container_note(
    address: str, *, marks: tuple[Path, ...] = _MARKS, environ: Mapping[str, str] = os.environ
) -> str | None:
    """A note for users who publish a port of the container; None if it does not apply.

    Editors for containers (development containers, Codespaces) forward loopback ports themselves.
    """
    if address not in LOOPBACK or any(environ.get(name) for name in _FORWARDED):
        return None
    if not any(mark.exists() for mark in marks):
        return None
    return (
        f"The host runs in a container and listens on {address}: a published port reaches it only with "
        "--address 0.0.0.0."
    )


@cache
def container_gateway(marks: tuple[Path, ...] = _MARKS, routes: Path = _ROUTES) -> str | None:
    """The address of the gateway: calls from the machine around the container to a published port come from it."""
    if not any(mark.exists() for mark in marks):
        return None
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return None
    for _, destination, gateway, *_ in map(str.split, lines):
        if destination == "00000000" and gateway != "00000000":
            return socket.inet_ntoa(int(gateway, 16).to_bytes(4, "little"))
    return None
