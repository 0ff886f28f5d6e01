"""Where the faults to inject are set, and which setting counts."""

import json
from pathlib import Path
from typing import Any

import pytest

from durable_host.chaos.spec import ChaosSpec, parse_chaos
from durable_host.config import HostConfig, load
from durable_host.config.chaos_setting import is_local_hub
from durable_host.config.durable import ChaosSetting
from durable_host.config.overrides import Overrides
from durable_host.errors import ConfigurationError

EMULATOR = "UseDevelopmentStorage=true"
REAL = "AccountName=shop;AccountKey=c2VjcmV0"
IN_FILE = "host.json: 'extensions.durableTask.chaos'"


def load_app(
    root: Path, durable: dict[str, Any] | None = None, overrides: Overrides = Overrides(), **environ: str
) -> HostConfig:
    document = {"version": "2.0", "extensions": {"durableTask": durable or {}}}
    (root / "host.json").write_text(json.dumps(document), "utf-8")
    return load(root, environ={"AzureWebJobsStorage": EMULATOR} | environ, overrides=overrides)


OPTION = Overrides(chaos="delay=1s", chaos_seed=1)
ENVIRONMENT = {"DURABLE_HOST_CHAOS": "delay=2s", "DURABLE_HOST_CHAOS_SEED": "2"}
FILE = {"chaos": "delay=3s", "chaosSeed": 3}


@pytest.mark.parametrize(
    ("file", "environment", "overrides", "chosen"),
    [
        ({}, {}, Overrides(), None),
        (FILE, ENVIRONMENT, OPTION, ChaosSetting("delay=1s", "--chaos", 1)),
        (FILE, ENVIRONMENT, Overrides(), ChaosSetting("delay=2s", "DURABLE_HOST_CHAOS", 2)),
        (FILE, {}, Overrides(), ChaosSetting("delay=3s", IN_FILE, 3)),
        (FILE, {}, Overrides(chaos="delay=1s"), ChaosSetting("delay=1s", "--chaos", 3)),
        (FILE, {}, Overrides(chaos_seed=1), ChaosSetting("delay=3s", IN_FILE, 1)),
        (FILE, {"DURABLE_HOST_CHAOS_SEED": "-2"}, Overrides(), ChaosSetting("delay=3s", IN_FILE, -2)),
        ({"chaos": "delay=3s"}, {}, Overrides(), ChaosSetting("delay=3s", IN_FILE)),
        ({"chaosSeed": 3}, ENVIRONMENT, Overrides(), ChaosSetting("delay=2s", "DURABLE_HOST_CHAOS", 2)),
        (FILE, ENVIRONMENT, Overrides(chaos="off"), None),
        (FILE, {"DURABLE_HOST_CHAOS": " Off "}, Overrides(), None),
        ({"chaos": "off"}, {}, Overrides(), None),
        ({}, {"DURABLE_HOST_CHAOS_SEED": "2"}, Overrides(chaos_seed=1), None),
        ({}, {"DURABLE_HOST_CHAOS_SEED": "2"}, Overrides(chaos="delay=1s"), ChaosSetting("delay=1s", "--chaos", 2)),
    ],
)
def test_the_command_line_counts_before_the_environment_and_this_before_the_file(
    tmp_path: Path,
    file: dict[str, Any],
    environment: dict[str, str],
    overrides: Overrides,
    chosen: ChaosSetting | None,
) -> None:
    assert load_app(tmp_path, file, overrides, **environment).host.durable.chaos == chosen


def test_the_file_may_have_an_object_with_a_member_per_fault(tmp_path: Path) -> None:
    config = load_app(tmp_path, {"chaos": {"duplicateEvents": 0.1, "delay": "0..2s", "kill-worker": 0.01}})
    chosen = config.host.durable.chaos
    assert chosen is not None
    assert parse_chaos(chosen.text) == ChaosSpec(duplicate_events=0.1, delay=(0, 2), kill_worker=0.01)
    assert config.warnings == ()


def test_members_of_the_object_ignore_case_and_may_be_null(tmp_path: Path) -> None:
    variable = {"AzureFunctionsJobHost__extensions__durableTask__chaos__KILLWORKER": "0.5"}
    chosen = load_app(
        tmp_path, {"chaos": {"Delay": "2s", "loseLease": None}}, Overrides(), **variable
    ).host.durable.chaos
    assert chosen is not None
    assert parse_chaos(chosen.text) == ChaosSpec(delay=(2, 2), kill_worker=0.5)


@pytest.mark.parametrize("value", [True, [0, 2], {"shortest": 0}, "0.1,kill-worker=1"])
def test_a_member_of_another_type_is_refused_by_its_name(tmp_path: Path, value: object) -> None:
    with pytest.raises(
        ConfigurationError, match=r"'extensions\.durableTask\.chaos\.killWorker' is .*, expected a number"
    ):
        load_app(tmp_path, {"chaos": {"killWorker": value}})


def test_the_usual_variable_overrides_the_value_in_the_file(tmp_path: Path) -> None:
    config = load_app(tmp_path, FILE, AzureFunctionsJobHost__extensions__durableTask__chaos="delay=9s")
    assert config.host.durable.chaos == ChaosSetting("delay=9s", IN_FILE, 3)


@pytest.mark.parametrize(
    ("file", "environment"),
    [
        ({"chaos": 1}, {}),
        ({"chaos": "delay=1s", "chaosSeed": "seven"}, {}),
        ({"chaos": "delay=1s"}, {"DURABLE_HOST_CHAOS_SEED": "seven"}),
    ],
)
def test_a_value_of_another_type_is_refused(tmp_path: Path, file: dict[str, Any], environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        load_app(tmp_path, file, Overrides(), **environment)


@pytest.mark.parametrize(
    ("provider", "account", "is_local"),
    [
        ({"type": "AzureStorage"}, EMULATOR, True),
        ({"type": "AzureStorage"}, REAL, False),
        ({"type": "sqlite"}, REAL, True),
        ({"type": "AzureStorage", "trackingStoreConnectionName": "Tables"}, EMULATOR, False),
    ],
)
def test_a_hub_is_local_if_all_its_storage_is(
    tmp_path: Path, provider: dict[str, str], account: str, is_local: bool
) -> None:
    config = load_app(tmp_path, {"storageProvider": provider}, AzureWebJobsStorage=account, Tables=REAL)
    assert is_local_hub(config.settings, config.host.durable.storage) is is_local
