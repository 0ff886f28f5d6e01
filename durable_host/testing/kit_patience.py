"""How long a test waits, in real time, for an app that does not come to rest."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from durable_host.errors import ConfigurationError

SETTING: Final = "DURABLE_HOST_PATIENCE"
DEFAULT: Final = 120.0
"""Seconds. Longer than a function takes in a test, shorter than the patience of a person."""

MORE_TIME: Final = f"If it needs more time, set {SETTING} to the seconds that a test may wait."

MOMENT: Final = 1.0
"""Seconds that the report of a failed test waits."""

REPORT_SECONDS: Final = 10.0
"""How long each part of this report may take."""

_DEBUGGERS = ("pydevd", "debugpy")


class StillBusy(AssertionError):
    """The app did not come to rest: the text names what runs."""


def patience_of(settings: Mapping[str, str]) -> float:
    """Seconds that a test waits. Raises ConfigurationError."""
    text = settings.get(SETTING, "").strip()
    if not text:
        return DEFAULT
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    raise ConfigurationError(
        f"The setting '{SETTING}' is '{text}', expected a number of seconds.",
        remedy=f"Set {SETTING} to the seconds that a test waits for an app that does not come to rest, or remove it.",
        code="DH1002",
    )


@asynccontextmanager
async def ends_in_time(what: str, seconds: float | None) -> AsyncGenerator[None]:
    """End the block after so many seconds; None: never. Raises StillBusy, whose text begins with `what`."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise StillBusy(f"{what} has not ended within {seconds:g} s. {MORE_TIME}") from None


def has_debugger() -> bool:
    """Whether a person may be looking at a function of the test that the app waits for."""
    return any(name in sys.modules for name in _DEBUGGERS)
