"""Revisions of the Model Context Protocol, and their differences."""

from typing import Final

HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The revisions that begin with `initialize` and have sessions, oldest first."""
STATELESS: Final = ("2026-07-28",)
"""The revisions in which each request is independent."""
ALL: Final = (*HANDSHAKE, *STATELESS)
_BATCHES: Final = ("2024-11-05", "2025-03-26")


def negotiated(requested: str) -> str:
    """The revision of a new session: the requested one if supported, otherwise the newest with sessions."""
    return requested if requested in HANDSHAKE else HANDSHAKE[-1]


def has_batches(version: str) -> bool:
    """Whether a body may contain an array of messages; 2025-06-18 removed this."""
    return version in _BATCHES
