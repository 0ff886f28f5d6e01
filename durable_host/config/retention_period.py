"""How long ended instances are kept: `--retain 7d`, the setting `DURABLE_HOST_RETAIN`, or `retain` in host.json."""

import re
from typing import Final

from durable_host.config import timespan
from durable_host.config.settings import AppSettings
from durable_host.errors import ConfigurationError, UsageError

SETTING: Final = "DURABLE_HOST_RETAIN"
EXPECTED: Final = 'a duration such as "7d", "12h", "30m" or "90s", or 0 to keep everything'
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_TEXT = re.compile(r"(\d{1,9}(?:\.\d{1,7})?)\s*([smhd])", re.IGNORECASE)


def parse(text: str) -> float | None:
    """Seconds, or None for `0`, which keeps everything. Raises ValueError.

    A time span in the form of host.json, such as `7.00:00:00`, is accepted too.
    """
    text = text.strip()
    if text == "0":
        return None
    if (match := _TEXT.fullmatch(text)) is not None:
        seconds = float(match[1]) * _UNITS[match[2].lower()]
    else:
        seconds = timespan.parse(text)
    if seconds < 0:
        raise ValueError(f"'{text}' is negative")
    return seconds or None


def render(seconds: float) -> str:
    """The shortest text that `parse` reads as this duration, such as `7d`."""
    for unit, length in sorted(_UNITS.items(), key=lambda entry: -entry[1]):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.7f}".rstrip("0") + "s"


def chosen(settings: AppSettings, option: str | None, from_file: float | None) -> float | None:
    """Seconds, or None to keep everything: `option` of the command line, else the setting, else host.json.

    Raises UsageError, ConfigurationError.
    """
    if option is not None:
        try:
            return parse(option)
        except ValueError:
            raise UsageError(f"--retain is '{option}', expected {EXPECTED}.") from None
    text = settings.get(SETTING, "").strip()
    if not text:
        return from_file
    try:
        return parse(text)
    except ValueError:
        raise ConfigurationError(
            f"The setting '{SETTING}' is '{text}', expected {EXPECTED}.",
            remedy=f"Set {SETTING} to a duration such as 7d, or remove it.",
            code="DH1002",
        ) from None
