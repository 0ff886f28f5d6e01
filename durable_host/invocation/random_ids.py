"""Random IDs of invocations and traces, faster than `uuid`, which asks the system each time."""

import os
import random

_random = random.Random()
"""Its own generator, with a seed from the system: the IDs stay different in programs that seed Python's."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)
_VERSION_4 = 0x4000_8000_0000_0000_0000
_NOT_FIXED = ~0xF000_C000_0000_0000_0000


def new_invocation_id() -> str:
    """A random UUID (version 4). It takes a quarter of the time of `str(uuid.uuid4())`."""
    digits = f"{_random.getrandbits(128) & _NOT_FIXED | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_trace_parent() -> str:
    """A new W3C traceparent, for an invocation whose caller has none."""
    digits = f"{_random.getrandbits(192):048x}"
    return f"00-{digits[:32]}-{digits[32:]}-00"
