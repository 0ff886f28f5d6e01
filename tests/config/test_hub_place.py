"""Where the task hub is stored if host.json names a service that is not available, or the user chooses."""

import json
from pathlib import Path
from typing import Any

import pytest

from durable_host.config import HostConfig, load
from durable_host.config.overrides import Overrides
from durable_host.errors import ConfigurationError

EMULATOR = "UseDevelopmentStorage=true"
REAL = "AccountName=shop;AccountKey=c2VjcmV0"
SCHEDULER = {
    "hubName": "%TASKHUB_NAME%",
    "storageProvider": {"type": "azureManaged", "connectionStringName": "DURABLE_TASK_SCHEDULER_CONNECTION_STRING"},
}
SQL_SERVER = {
    "storageProvider": {
        "type": "mssql",
        "connectionStringName": "SQLDB_Connection",
        "taskEventLockTimeout": "00:02:00",
        "createDatabaseIfNotExists": True,
        "schemaName": "dt",
    }
}
NETHERITE = {
    "storageProvider": {
        "type": "Netherite",
        "partitionCount": 32,
        "StorageConnectionName": "AzureWebJobsStorage",
        "EventHubsConnectionName": "EventHubsConnection",
    }
}


def load_app(root: Path, durable: dict[str, Any], option: str | None = None, **environ: str) -> HostConfig:
    document = {"version": "2.0", "extensions": {"durableTask": durable}}
    (root / "host.json").write_text(json.dumps(document), "utf-8")
    return load(root, environ=environ, overrides=Overrides(task_hub=option))


@pytest.mark.parametrize(
    ("durable", "service"),
    [(SCHEDULER, "Durable Task Scheduler"), (SQL_SERVER, "SQL Server"), (NETHERITE, "Netherite")],
)
@pytest.mark.parametrize(
    ("storage", "provider"),
    [
        ({"AzureWebJobsStorage": EMULATOR}, "AzureStorage"),
        ({"AzureWebJobsStorage": REAL}, "sqlite"),
        ({"AzureWebJobsStorage__accountName": "shop"}, "sqlite"),
        ({"AzureWebJobsStorage": "nonsense"}, "sqlite"),
        ({}, "sqlite"),
    ],
)
def test_a_service_that_is_not_here_is_replaced_by_the_emulator_or_else_by_a_file(
    tmp_path: Path, durable: dict[str, Any], service: str, storage: dict[str, str], provider: str
) -> None:
    config = load_app(tmp_path, durable, TASKHUB_NAME="default", **storage)
    options = config.host.durable.storage
    assert (options.type, options.connection_name, options.partition_count) == (provider, "Storage", 4)
    [note] = [warning for warning in config.warnings if "storageProvider.type" in warning]
    assert f"asks for {service}, which does not run on this machine" in note
    assert ("in a SQLite file" in note) == (provider == "sqlite")
    assert "--task-hub" in note
    assert not [warning for warning in config.warnings if "not a known setting" in warning]


@pytest.mark.parametrize(
    ("written", "hub"),
    [
        ("default", "default"),
        ("my-task-hub", "mytaskhub"),
        ("1st", "t1st"),
        ("x", "xHub"),
        ("%NOT_SET%", "TestHubName"),
    ],
)
def test_names_of_the_other_service_become_names_of_a_hub(tmp_path: Path, written: str, hub: str) -> None:
    config = load_app(tmp_path, {**SCHEDULER, "hubName": written})
    assert config.host.durable.hub_name == hub
    [note] = [warning for warning in config.warnings if "storageProvider.type" in warning]
    assert f"a local task hub replaces it, '{hub}'" in note
    assert (f"hubName is '{written}'" in note) == (written != hub)


@pytest.mark.parametrize("durable", [{}, {"storageProvider": {"type": "sqlite", "path": "x.db"}}, SCHEDULER])
@pytest.mark.parametrize(("choice", "provider"), [("storage", "AzureStorage"), ("sqlite", "sqlite")])
@pytest.mark.parametrize("account", [EMULATOR, ""])
def test_the_choice_of_the_user_wins(
    tmp_path: Path, durable: dict[str, Any], choice: str, provider: str, account: str
) -> None:
    by_option = load_app(tmp_path, durable, choice, AzureWebJobsStorage=account)
    by_setting = load_app(tmp_path, durable, AzureWebJobsStorage=account, DURABLE_HOST_TASK_HUB=choice.upper())
    assert by_option.host.durable.storage == by_setting.host.durable.storage
    assert by_option.host.durable.storage.type == provider


def test_the_option_wins_over_the_setting(tmp_path: Path) -> None:
    config = load_app(tmp_path, {}, "sqlite", DURABLE_HOST_TASK_HUB="storage")
    assert config.host.durable.storage.type == "sqlite"


def test_another_value_of_the_setting_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'DURABLE_HOST_TASK_HUB' is 'redis', expected storage or sqlite"):
        load_app(tmp_path, {}, DURABLE_HOST_TASK_HUB="redis")


def test_providers_that_are_here_get_no_note(tmp_path: Path) -> None:
    for durable in ({}, {"storageProvider": {"type": "sqlite"}}):
        assert not load_app(tmp_path, durable, AzureWebJobsStorage=EMULATOR).warnings
