"""Faults as text, as a schedule in a test has them: `"duplicate-events: event 'Approval' for order-7"`."""

import re
from collections.abc import Iterable
from typing import cast, get_args

import msgspec

from durable_host.chaos.fault import VARIANTS, Fault, FaultKind

__tracebackhide__ = True

_FORM = re.compile(
    r"(?P<kind>[a-z-]+)(?: #(?P<occurrence>[1-9]\d*))?(?: \((?P<variant>[a-z -]+)\))?(?: (?P<seconds>\d+(?:\.\d+)?)s)?"
    r": (?P<target>.+)",
    re.DOTALL,
)
_KINDS = get_args(FaultKind)


def fault_line(fault: Fault) -> str:
    """`KIND: TARGET`. With the number of the occasion and the way it was done: `storage-errors #2 (refused): TARGET`.

    A delay is `delay 1.5s: TARGET`.
    """
    occurrence = f" #{fault.occurrence}" if fault.occurrence > 1 else ""
    variant = f" ({fault.variant})" if fault.variant else ""
    seconds = f" {fault.seconds:.3f}".rstrip("0").rstrip(".") + "s" if fault.seconds else ""
    return f"{fault.kind}{occurrence}{variant}{seconds}: {fault.target}"


def in_any_run(fault: Fault) -> Fault:
    """Return the fault as `read_schedule` reads it: without the ID of the instance, which may change in each run."""
    share = VARIANTS[fault.kind].index(fault.variant) / len(VARIANTS[fault.kind])
    return msgspec.structs.replace(fault, instance_id="", share=share)


def read_schedule(lines: Iterable[str | Fault]) -> tuple[Fault, ...]:
    """Read what `fault_line` writes. Raises ValueError."""
    return tuple(line if isinstance(line, Fault) else _read_line(line) for line in lines)


def _read_line(line: str) -> Fault:
    found = _FORM.fullmatch(line)
    kind = found["kind"] if found is not None else None
    if found is None or kind not in _KINDS:
        raise ValueError(
            f"{line!r} is not a fault of a schedule. Expected 'KIND: TARGET', such as "
            f"\"duplicate-events: event 'Approval' for instance 'order-7'\". The kinds are {', '.join(_KINDS)}."
        )
    kind = cast("FaultKind", kind)
    variants = VARIANTS[kind]
    variant = found["variant"] or variants[0]
    if variant not in variants:
        raise ValueError(f"{line!r} is not a fault of a schedule. Expected {kind} with {' or '.join(variants)}.")
    return Fault(
        kind=kind,
        target=found["target"],
        occurrence=int(found["occurrence"] or 1),
        seconds=float(found["seconds"] or 0),
        share=variants.index(variant) / len(variants),
    )
