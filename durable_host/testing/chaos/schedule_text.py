"""Faults as text, as a schedule in a test has them: `"duplicate-events: event 'Approval' for order-7"`."""

import re
from collections.abc import Iterable
from typing import cast, get_args

from durable_host.chaos.fault import Fault, FaultKind

_FORM = re.compile(
    r"(?P<kind>[a-z-]+)(?: #(?P<occurrence>[1-9]\d*))?(?: (?P<seconds>\d+(?:\.\d+)?)s)?(?: at (?P<share>0?\.\d+|0))?"
    r": (?P<target>.+)",
    re.DOTALL,
)
_KINDS = get_args(FaultKind)


def fault_line(fault: Fault) -> str:
    """`KIND: TARGET`. Not for the first time: `KIND #2: TARGET`. A delay: `delay 1.5s: TARGET`."""
    occurrence = f" #{fault.occurrence}" if fault.occurrence > 1 else ""
    seconds = f" {fault.seconds:.3f}".rstrip("0").rstrip(".") + "s" if fault.seconds else ""
    share = f" at {fault.share!r}" if fault.share else ""
    return f"{fault.kind}{occurrence}{seconds}{share}: {fault.target}"


def read_schedule(lines: Iterable[str | Fault]) -> tuple[Fault, ...]:
    """Read what `fault_line` writes. Raises ValueError."""
    return tuple(line if isinstance(line, Fault) else _read_line(line) for line in lines)


def _read_line(line: str) -> Fault:
    found = _FORM.fullmatch(line)
    if found is None or found["kind"] not in _KINDS:
        raise ValueError(
            f"{line!r} is not a fault of a schedule. Expected 'KIND: TARGET', such as "
            f"\"duplicate-events: event 'Approval' for instance 'order-7'\". The kinds are {', '.join(_KINDS)}."
        )
    return Fault(
        kind=cast("FaultKind", found["kind"]),
        target=found["target"],
        occurrence=int(found["occurrence"] or 1),
        seconds=float(found["seconds"] or 0),
        share=float(found["share"] or 0),
    )
