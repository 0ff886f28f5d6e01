"""Revisions of the Model Context Protocol, and what differs between them."""

from typing import Final

HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Those that begin with `initialize` and have sessions, oldest first."""
STATELESS: Final = ("2026-07-28",)
"""Those in which each request stands alone."""
ALL: Final = (*HANDSHAKE, *STATELESS)
_BATCHES: Final = ("2024-11-05", "2025-03-26")


def negotiated(requested: str) -> str:
    """The revision of a new session: the requested one if it is known, else the newest with sessions."""
    return requested if requested in HANDSHAKE else HANDSHAKE[-1]


def has_batches(version: str) -> bool:
    """Whether a body may hold an array of messages; 2025-06-18 took that out."""
    return version in _BATCHES
