"""How long a test waits, in real time, for an app that does not come to rest."""

from collections.abc import Mapping
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
