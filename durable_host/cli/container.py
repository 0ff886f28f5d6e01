"""Whether the host runs in a container, where the address it listens on by default cannot be reached from outside."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_MARKS: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
_FORWARDED: Final = ("REMOTE_CONTAINERS", "CODESPACES", "CI")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


def container_note(
    address: str, *, marks: tuple[Path, ...] = _MARKS, environ: Mapping[str, str] = os.environ
) -> str | None:
    """What to tell somebody who publishes a port of the container; None where it does not concern them.

    Editors that work in a container (development containers, Codespaces) forward loopback ports themselves.
    """
    if address not in _LOOPBACK or any(environ.get(name) for name in _FORWARDED):
        return None
    if not any(mark.exists() for mark in marks):
        return None
    return (
        f"This is a container, and the host listens on {address}: a published port reaches it only with "
        "--address 0.0.0.0."
    )
