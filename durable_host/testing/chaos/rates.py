"""Which faults may happen to a test, and how often."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import msgspec

from durable_host.chaos.fault import KILL_HOST, REORDER, FaultKind
from durable_host.chaos.spec import ChaosSpec, parse_chaos, refuse_unknown

__tracebackhide__ = True

_SOURCE = "durable_chaos"
_OWN = ("kill_host", "reorder")
_NAMES = (*ChaosSpec.__struct_fields__, *_OWN)


class RunRates(ChaosSpec, frozen=True, kw_only=True):
    """The faults of `func start --chaos`, and those that only a test in virtual time can have.

    `kill_host` is the share of the commits at which the host ends and starts again, `reorder` that of the messages and
    functions that come after everything else that is ready, `delayed` that of the messages to which `delay` applies.
    """

    kill_host: float = 0.0
    reorder: float = 0.0
    delayed: float = 1.0

    def rate(self, kind: FaultKind) -> float:
        """Return how often a fault of this kind happens."""
        own = {"delay": self.delayed, KILL_HOST: self.kill_host, REORDER: self.reorder}
        return own[kind] if kind in own else super().rate(kind)


DEFAULT_RATES = RunRates(
    duplicate_events=0.1,
    redeliver_activities=0.1,
    reorder=0.2,
    delay=(0.0, 2.0),
    delayed=0.1,
    kill_host=0.05,
    lose_lease=0.02,
    storage_errors=0.02,
)
"""What happens to a test that names no faults. No worker is killed, because starting one takes about a second."""


def rates_of(faults: str = "", **named: Any) -> RunRates:
    """Return the rates of a text as in `--chaos`, and of named rates (`kill_host=0.1`); without any, the defaults.

    A delay is a text (`0..2s`), a number of seconds, a timedelta, or a pair of them. Raises ConfigurationError.
    """
    shared: list[str] = []
    own: dict[str, float] = {}
    for name, value in _pairs(faults, named):
        if name not in _NAMES:
            refuse_unknown(name, _NAMES, _SOURCE)
        if name in _OWN:
            own[name] = _share(name, value)
        else:
            shared.append(f"{name}={value}")
    if not shared and not own:
        return DEFAULT_RATES
    return msgspec.convert({**msgspec.structs.asdict(parse_chaos(",".join(shared), _SOURCE)), **own}, RunRates)


def _pairs(faults: str, named: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for part in filter(None, (part.strip() for part in faults.split(","))):
        name, _, value = part.partition("=")
        yield name.strip().casefold().replace("-", "_"), value.strip()
    for name, value in named.items():
        yield name, _delay(value) if name == "delay" else str(value)


def _share(name: str, value: str) -> float:
    """Read a rate by the rules of the others."""
    return parse_chaos(f"kill-worker={value}", f"{_SOURCE}, '{name}'").kill_worker


def _delay(value: Any) -> str:
    match value:
        case timedelta():
            return f"{value.total_seconds():f}s"
        case int() | float():
            return f"{value:f}s"
        case tuple() | list():
            return "..".join(_delay(part) for part in cast("tuple[Any, ...]", value))
        case _:
            return str(value)
