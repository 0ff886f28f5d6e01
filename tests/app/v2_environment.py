"""The environment of the 2.x durable SDK: Python 3.13 with the pre-release that was tested, made once and kept."""

from pathlib import Path

import pytest
from durable_environments import environment, interpreters

PYTHON = "3.13"
SDK = "2.0.0rc3"


def v2_interpreter(config: pytest.Config) -> Path:
    """Its interpreter. Skips the test where there is no Python 3.13 or the packages cannot be installed."""
    if PYTHON not in interpreters():
        pytest.skip(f"the 2.x SDK needs Python {PYTHON}, which this machine does not have")
    cache = config.cache
    assert cache is not None
    try:
        return environment(cache.mkdir("durable-environments"), PYTHON, SDK)
    except RuntimeError as error:
        pytest.skip(f"azure-functions-durable {SDK} cannot be installed: {error}")
