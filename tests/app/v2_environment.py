"""The environment of the 2.x durable SDK: Python 3.13 with the tested pre-release, created once and kept."""

from pathlib import Path

import pytest

from bench import durable_environments
from bench.durable_environments import V2_SDK as SDK

__all__ = ["SDK", "v2_interpreter"]


def v2_interpreter(config: pytest.Config) -> Path:
    """Its interpreter. Skips the test where there is no Python 3.13 or the packages cannot be installed."""
    cache = config.cache
    assert cache is not None
    try:
        return durable_environments.v2_environment(cache.mkdir("durable-environments"))
    except RuntimeError as error:
        pytest.skip(str(error))
