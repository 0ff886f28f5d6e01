"""Old and new SDKs on old and new interpreters: a little of every feature of Durable Functions, one host for each.

Interpreters that this machine does not have are no cases.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from durable_features import FILES, check_endings, check_events, check_everything
from host_process import HostProcess, hub_settings, write_app
from user_cache import user_cache

from bench.durable_environments import SDKS, environment, interpreters

CASES = [
    pytest.param(python, sdk, id=f"python{python}-durable{sdk}", marks=pytest.mark.timeout(300))
    for python in interpreters()
    for sdk in SDKS
]


@pytest.fixture
def host(python: str, sdk: str, tmp_path: Path, connection_string: str) -> Iterator[HostProcess]:
    interpreter = environment(user_cache(), python, sdk)
    host = HostProcess(write_app(tmp_path / "app", FILES), hub_settings(connection_string))
    yield host.start("--python", str(interpreter))
    host.end()


@pytest.mark.parametrize(("python", "sdk"), CASES)
def test_all_features_work(host: HostProcess, python: str, sdk: str) -> None:
    assert sdk in host.output, "the banner names the SDK"
    check_everything(host)
    check_events(host)
    check_endings(host)
    assert "kept alive between episodes" not in host.output
