"""How many examples random tests try."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hypothesis

QUICK = "quick"
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "same")
_PART = 4


def register_profiles() -> None:
    import hypothesis

    slow = (hypothesis.HealthCheck.too_slow,)
    register = hypothesis.settings.register_profile
    register("same", derandomize=True, deadline=None, suppress_health_check=slow)
    register(QUICK, max_examples=100 // _PART, derandomize=True, deadline=None, suppress_health_check=slow)
    register("explore", max_examples=1000, deadline=None, suppress_health_check=slow)
    hypothesis.settings.load_profile(PROFILE)


def examples(number: int) -> hypothesis.settings:
    """Try `count` examples, and a quarter of them in `make quick`."""
    import hypothesis

    return hypothesis.settings(max_examples=number // _PART if PROFILE == QUICK else number)


def seeds(number: int) -> range:
    """The first `count` seeds, and a quarter of them in `make quick`."""
    return range(number // _PART if PROFILE == QUICK else number)
