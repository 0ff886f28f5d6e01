"""The setting that lifts the gates of orchestrations."""

import json
from pathlib import Path

import pytest

from durable_host.config import HostConfig, load
from durable_host.durable.runtime.runtime import engine_options
from durable_host.errors import ConfigurationError

EMULATOR = "UseDevelopmentStorage=true"
REAL = "AccountName=shop;AccountKey=c2VjcmV0"


def load_app(root: Path, provider: str = "AzureStorage", **environ: str) -> HostConfig:
    durable = {"storageProvider": {"type": provider}}
    (root / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}), "utf-8")
    return load(root, environ=environ)


@pytest.mark.parametrize(
    ("environ", "are_kept"),
    [({}, True), ({"DURABLE_HOST_GATES": "keep"}, True), ({"DURABLE_HOST_GATES": " Lift "}, False)],
)
def test_gates_are_kept_unless_the_setting_lifts_them(tmp_path: Path, environ: dict[str, str], are_kept: bool) -> None:
    config = load_app(tmp_path, AzureWebJobsStorage=EMULATOR, **environ)
    assert engine_options(config.host.durable).keeps_gates is are_kept


def test_another_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'DURABLE_HOST_GATES' is 'off', expected keep or lift"):
        load_app(tmp_path, DURABLE_HOST_GATES="off")


@pytest.mark.parametrize(
    ("provider", "account", "is_warned"),
    [("AzureStorage", EMULATOR, False), ("sqlite", REAL, False), ("AzureStorage", REAL, True)],
)
def test_lifted_gates_are_warned_of_where_a_host_in_azure_can_use_the_hub(
    tmp_path: Path, provider: str, account: str, is_warned: bool
) -> None:
    config = load_app(tmp_path, provider, AzureWebJobsStorage=account, DURABLE_HOST_GATES="lift")
    assert any("DURABLE_HOST_GATES is lift" in warning for warning in config.warnings) == is_warned
