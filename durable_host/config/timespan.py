"""Time spans in the format of .NET: `[-][d.]hh:mm[:ss[.fffffff]]`.

Source: docs/protocol/functions-host-config.md#time-spans
"""

import re

_PATTERN = re.compile(
    r"(?P<sign>-?)(?:(?P<days>\d{1,8})\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2})(?:\.(?P<fraction>\d{1,7}))?)?"
)


def parse(text: str) -> float:
    """Seconds. Raises ValueError if `text` is not a time span, or a plain number (which .NET reads as days)."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a time span")
    hours, minutes, seconds = int(match["hours"]), int(match["minutes"]), int(match["seconds"] or 0)
    if hours > 23 or minutes > 59 or seconds > 59:
        raise ValueError(f"'{text}' is not a time span")
    whole = ((int(match["days"] or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
    value = whole + float(f"0.{match['fraction'] or 0}")
    return -value if match["sign"] else value


def render(seconds: float) -> str:
    """The .NET form: `hh:mm:ss`, with days and a fraction of seven digits only if needed."""
    ticks = round(abs(seconds) * 10_000_000)
    whole, fraction = divmod(ticks, 10_000_000)
    days, rest = divmod(whole, 86_400)
    text = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    if days:
        text = f"{days}.{text}"
    if fraction:
        text = f"{text}.{fraction:07}"
    return f"-{text}" if seconds < 0 else text
