"""The environment of the 2.x durable SDK: Python 3.13 with the tested pre-release, created once and kept."""

from pathlib import Path

import pytest
from user_cache import user_cache

from bench import durable_environments
from bench.durable_environments import V2_SDK as SDK

__all__ = ["SDK", "v2_interpreter"]


def v2_interpreter() -> Path:
    """Its interpreter. Skips the test where there is no Python 3.13 or the packages cannot be installed."""
    try:
        return durable_environments.v2_environment(user_cache())
    except RuntimeError as error:
        pytest.skip(str(error))
