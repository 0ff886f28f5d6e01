"""Which faults may happen, and how often: `duplicate-events=0.1,delay=0..2s,kill-worker=0.01`."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NoReturn, cast

import msgspec

from durable_host.chaos.fault import FaultKind
from durable_host.config.suggestion import closest
from durable_host.errors import ConfigurationError

RATES: Final[tuple[FaultKind, ...]] = (
    "duplicate-events", "redeliver-activities", "kill-worker", "lose-lease", "storage-errors",
)  # fmt: skip
"""The faults that have a rate, 0 (never) to 1 (always)."""

EXAMPLE: Final = "duplicate-events=0.1,redeliver-activities=0.05,delay=0..2s,kill-worker=0.01"
LONGEST_DELAY: Final = 3600.0

_NAMES: Final = (*RATES, "delay")
_BY_LETTERS: Final = {name.replace("-", ""): name for name in _NAMES}
_TIME = re.compile(r"(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>ms|s|m)?", re.IGNORECASE)
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0}


class ChaosSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How often each fault happens: 0 (never) to 1 (always). `delay` is the shortest and longest delay, in seconds."""

    duplicate_events: float = 0.0
    redeliver_activities: float = 0.0
    delay: tuple[float, float] = (0.0, 0.0)
    kill_worker: float = 0.0
    lose_lease: float = 0.0
    storage_errors: float = 0.0

    def __bool__(self) -> bool:
        """Whether any fault can happen."""
        return self.delay[1] > 0 or any(self.rate(kind) for kind in RATES)

    def __str__(self) -> str:
        """The text that `parse_chaos` reads."""
        parts = [f"{kind}={_plain(self.rate(kind))}" for kind in RATES if self.rate(kind)]
        if self.delay[1] > 0:
            parts.append(f"delay={_plain(self.delay[0])}..{_plain(self.delay[1])}s")
        return ",".join(parts)

    def rate(self, kind: FaultKind) -> float:
        """Return how often a fault of this kind happens. If there are delays, every message has one."""
        rates: dict[FaultKind, float] = {
            "duplicate-events": self.duplicate_events,
            "redeliver-activities": self.redeliver_activities,
            "delay": 1.0,
            "kill-worker": self.kill_worker,
            "lose-lease": self.lose_lease,
            "storage-errors": self.storage_errors,
        }
        return rates.get(kind, 0.0)


def parse_chaos(text: str, source: str = "--chaos") -> ChaosSpec:
    """Read a specification; an empty one injects nothing. `source` names its origin in errors.

    Rates are numbers from 0 to 1 or percentages (`10%`). A delay is a range (`0..2s`, `100ms..2s`) or a time (`2s`), up
    to an hour; its units are ms, s and m. `killWorker` is a name too. Raises ConfigurationError.
    """
    values: dict[str, float | tuple[float, float]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        kind = _BY_LETTERS.get(name.casefold().replace("_", "").replace("-", ""))
        if kind is None:
            refuse_unknown(name, _NAMES, source)
        if not equals or not value:
            _refuse(source, f"'{name}' has no value.", f"For example: {EXAMPLE}")
        if _field(kind) in values:
            _refuse(source, f"'{kind}' is set twice.", "Set it once.")
        values[_field(kind)] = _delay(value, source) if kind == "delay" else _rate(kind, value, source)
    return msgspec.convert(values, ChaosSpec)


def refuse_unknown(name: str, faults: Sequence[str], source: str) -> NoReturn:
    """Raise the ConfigurationError of a fault that is not one of `faults`."""
    suggestion = closest(name.casefold(), faults)
    hint = f" Did you mean {suggestion}?" if suggestion else ""
    _refuse(source, f"'{name}' is not a fault.{hint}", f"The faults are {', '.join(faults)}.")


def _field(kind: str) -> str:
    return kind.replace("-", "_")


def _rate(kind: str, text: str, source: str) -> float:
    try:
        rate = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= 1:
        _refuse(source, f"'{kind}={text}': expected a number from 0 to 1.", "0.1 injects it in one of ten cases.")
    return rate


def _delay(text: str, source: str) -> tuple[float, float]:
    shortest, dots, longest = (piece.strip() for piece in text.partition(".."))
    last = _TIME.fullmatch(longest if dots else shortest)
    first = _TIME.fullmatch(shortest)
    if first is None or last is None or (last["unit"] is None and float(last["number"]) > 0):
        _refuse(source, f"'delay={text}': expected a range of times.", "For example: delay=0..2s or delay=100ms..2s")
    unit = cast("str", last["unit"] or "s")
    low = _seconds(first["number"], first["unit"] or unit)
    high = _seconds(last["number"], unit)
    if low > high:
        _refuse(source, f"'delay={text}': the first time is longer than the second.", "Swap them.")
    if high > LONGEST_DELAY:
        _refuse(source, f"'delay={text}': a message is delayed by an hour at most.", "Use a shorter delay.")
    return low, high


def _seconds(number: str, unit: str) -> float:
    """A delay: whole milliseconds."""
    return round(float(number) * _SECONDS[unit.lower()], 3)


def _plain(number: float) -> str:
    """All digits, without an exponent."""
    return f"{Decimal(repr(number)):f}".removesuffix(".0")


def _refuse(source: str, cause: str, remedy: str) -> NoReturn:
    raise ConfigurationError(f"The faults in {source} are not valid.", cause=cause, remedy=remedy, code="DH1006")
