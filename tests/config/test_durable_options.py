"""`extensions.durableTask`. Source: docs/protocol/durable-host-json.md#settings"""

import json
from pathlib import Path

import pytest

from durable_host.config import DurableOptions, HostConfig, load
from durable_host.config import hub_name as hub_names
from durable_host.errors import ConfigurationError


def load_durable(root: Path, settings: dict, **environ: str) -> HostConfig:
    document = {"version": "2.0", "extensions": {"durableTask": settings}}
    (root / "host.json").write_text(json.dumps(document), "utf-8")
    return load(root, environ=environ)


def options(root: Path, settings: dict, **environ: str) -> DurableOptions:
    return load_durable(root, settings, **environ).host.durable


def test_defaults_are_those_of_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    durable = options(tmp_path, {})
    assert durable.hub_name == "TestHubName"
    assert durable.max_concurrent_activity_functions == 20
    assert durable.max_concurrent_orchestrator_functions == 20
    assert durable.max_concurrent_entity_functions == 20
    assert durable.max_entity_operation_batch_size == 5000
    assert durable.max_orchestration_actions == 100_000
    assert durable.overridable_existing_instance_states == "NonRunningStates"
    assert durable.entity_message_reorder_window == 1800
    assert durable.default_async_request_sleep_time == 30
    assert durable.default_version is None
    assert (durable.version_match_strategy, durable.version_failure_strategy) == ("CurrentOrOlder", "Reject")
    storage = durable.storage
    assert (storage.type, storage.connection_name, storage.partition_count) == ("AzureStorage", "Storage", 4)
    assert (storage.control_queue_batch_size, storage.control_queue_buffer_threshold) == (32, 256)
    assert (storage.control_queue_visibility_timeout, storage.work_item_queue_visibility_timeout) == (300, 300)
    assert storage.max_queue_polling_interval == 30
    assert storage.fetch_large_messages_automatically


def test_every_setting_is_read(tmp_path: Path):
    durable = options(
        tmp_path,
        {
            "hubName": "Hub1",
            "storageProvider": {
                "type": "azurestorage",
                "connectionName": "Other",
                "partitionCount": 16,
                "controlQueueBatchSize": 1,
                "controlQueueBufferThreshold": 1000,
                "controlQueueVisibilityTimeout": "00:01:00",
                "workItemQueueVisibilityTimeout": "00:02:00",
                "maxQueuePollingInterval": "00:00:01",
                "trackingStoreConnectionStringName": "Tracking",
                "trackingStoreNamePrefix": "T",
                "fetchLargeMessagesAutomatically": False,
                "useLegacyPartitionManagement": True,
                "useTablePartitionManagement": False,
                "allowReplayingTerminalInstances": True,
                "queueClientMessageEncoding": "base64",
            },
            "maxConcurrentActivityFunctions": 1,
            "maxConcurrentOrchestratorFunctions": 2,
            "maxConcurrentEntityFunctions": 3,
            "maxEntityOperationBatchSize": 4,
            "maxOrchestrationActions": 5,
            "extendedSessionIdleTimeoutInSeconds": 6,
            "overridableExistingInstanceStates": "anystate",
            "entityMessageReorderWindowInMinutes": 0,
            "rollbackEntityOperationsOnExceptions": False,
            "useGracefulShutdown": True,
            "useAppLease": False,
            "appLeaseOptions": {"renewInterval": "00:00:10"},
            "storeInputsInOrchestrationHistory": True,
            "throwStatusExceptionsOnRaiseEvent": True,
            "localRpcEndpointEnabled": False,
            "httpSettings": {"defaultAsyncRequestSleepTimeMilliseconds": 500, "useForwardedHost": True},
            "tracing": {"traceInputsAndOutputs": True, "traceReplayEvents": True, "version": "v2"},
            "notifications": {"eventGrid": {"publishRetryHttpStatus": [500, "503"], "publishEventTypes": ["Started"]}},
            "defaultVersion": "2.0",
            "versionMatchStrategy": "Strict",
            "versionFailureStrategy": "Fail",
            "maxGrpcMessageSizeInBytes": 7,
            "grpcHttpClientTimeout": "00:00:08",
        },
    )
    assert durable.hub_name == "Hub1"
    assert durable.storage.type == "AzureStorage"
    assert durable.storage.connection_name == "Other"
    assert durable.storage.tracking_store_connection_name == "Tracking"
    assert durable.storage.queue_client_message_encoding == "Base64"
    assert durable.storage.max_queue_polling_interval == 1
    assert durable.overridable_existing_instance_states == "AnyState"
    assert durable.default_async_request_sleep_time == 0.5
    assert durable.notifications.publish_retry_http_status == (500, 503)
    assert durable.tracing.version == "V2"
    assert durable.version_match_strategy == "Strict"
    assert not durable.local_rpc_endpoint_enabled
    assert durable.grpc_http_client_timeout == 8


MESSAGES = [
    ({"maxConcurrentActivityFunctions": 0}, "MaxConcurrentActivityFunctions must be a positive integer value."),
    (
        {"maxConcurrentOrchestratorFunctions": -1},
        "OrchestratorFunctions must be a positive integer value.",
    ),
    ({"maxConcurrentEntityFunctions": 0}, "MaxConcurrentEntityFunctions must be a positive integer value."),
    ({"maxEntityOperationBatchSize": 0}, "MaxEntityOperationBatchSize must be a positive integer value."),
    ({"storageProvider": {"partitionCount": 17}}, "PartitionCount must be an integer value between 1 and 16."),
    ({"storageProvider": {"controlQueueBatchSize": -1}}, "ControlQueueBatchSize must be a positive integer"),
    (
        {"storageProvider": {"controlQueueVisibilityTimeout": "01:00:01"}},
        "ControlQueueVisibilityTimeout must be between 1 and 60 minutes.",
    ),
    (
        {"storageProvider": {"controlQueueBufferThreshold": 0}},
        "ControlQueueBufferThreshold must be between 1 and 1000.",
    ),
    ({"storageProvider": {"maxQueuePollingInterval": "-00:00:01"}}, "MaxQueuePollingInterval must be non-negative."),
    ({"hubName": ""}, "A non-empty HubName configuration is required."),
    (
        {"hubName": "my-hub"},
        "Task hub name 'my-hub' should contain only alphanumeric characters, start with a letter, "
        "and have length between 3 and 45.",
    ),
    ({"versionMatchStrategy": "Newer"}, 'one of "None", "Strict", "CurrentOrOlder"'),
    ({"maxConcurrentActivityFunctions": "ten"}, "a whole number"),
]


@pytest.mark.parametrize(("settings", "text"), MESSAGES, ids=[text[:40] for _, text in MESSAGES])
def test_wrong_values_are_refused_in_the_words_of_the_reference(tmp_path: Path, settings: dict, text: str):
    with pytest.raises(ConfigurationError) as caught:
        options(tmp_path, settings)
    assert text in caught.value.message
    assert caught.value.message.startswith("host.json: 'extensions.durableTask.")
    assert "\n" not in caught.value.message


def test_unknown_provider_is_named_in_the_words_of_the_reference(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"Storage provider type \(Postgres\) was not found\.") as caught:
        options(tmp_path, {"storageProvider": {"type": "Postgres"}})
    assert "AzureStorage" in (caught.value.remedy or "")
    assert "sqlite" in (caught.value.remedy or "")


def test_embedded_provider_is_chosen_by_name(tmp_path: Path):
    storage = options(tmp_path, {"storageProvider": {"type": "SQLite", "path": "hub.db"}}).storage
    assert (storage.type, storage.path) == ("sqlite", "hub.db")


def test_settings_are_resolved_in_the_name_of_the_hub(tmp_path: Path):
    assert options(tmp_path, {"hubName": "%HUB%"}, HUB="FromSetting").hub_name == "FromSetting"


def test_missing_setting_in_a_name_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"'extensions\.durableTask\.hubName': '%HUB%' does not resolve"):
        options(tmp_path, {"hubName": "%HUB%"})


def test_site_name_gives_the_default_hub(tmp_path: Path):
    assert options(tmp_path, {}, WEBSITE_SITE_NAME="my-site").hub_name == "mysite"


def test_extended_sessions_are_warned_about(tmp_path: Path):
    config = load_durable(tmp_path, {"extendedSessionsEnabled": True})
    assert any("extendedSessionsEnabled" in text for text in config.warnings)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"rollbackEntityOperationsOnExceptions": False}, "durableTask.rollbackEntityOperationsOnExceptions"),
        ({"useGracefulShutdown": True}, "durableTask.useGracefulShutdown"),
        ({"tracing": {"traceReplayEvents": True}}, "durableTask.tracing.traceReplayEvents"),
        ({"storageProvider": {"useLegacyPartitionManagement": True}}, "storageProvider.useLegacyPartitionManagement"),
    ],
)
def test_settings_without_effect_are_answered_with_one_line(tmp_path: Path, settings: dict, name: str):
    warnings = [text for text in load_durable(tmp_path, settings).warnings if name in text]
    assert len(warnings) == 1
    assert "has no effect here" in warnings[0]


@pytest.mark.parametrize("name", ["abc", "A1b", "a" * 50])
def test_valid_hub_names(name: str):
    assert hub_names.problem(name) is None


@pytest.mark.parametrize("name", ["ab", "a" * 51, "1abc", "a_b_c", "ab c", "hübe", ""])
def test_invalid_hub_names(name: str):
    assert hub_names.problem(name) is not None


@pytest.mark.parametrize(
    ("site", "hub"),
    [
        ("my-site", "mysite"),
        ("1site", "t1site"),
        ("a" * 60, "a" * 45),
        ("ab", "abHub"),
        ("--", "DefaultTaskHub"),
        ("", "DefaultTaskHub"),
    ],
)
def test_default_names_are_repaired(site: str, hub: str):
    assert hub_names.repaired(site) == hub


@pytest.mark.parametrize(
    ("written", "enabled"),
    [({}, True), ({"extendedSessionsEnabled": True}, True), ({"extendedSessionsEnabled": False}, False)],
    ids=["absent", "on", "off"],
)
def test_apps_of_net_have_extended_sessions_unless_they_are_turned_off(
    tmp_path: Path, written: dict[str, bool], enabled: bool
) -> None:
    settings = {"extendedSessionIdleTimeoutInSeconds": 5, "rollbackEntityOperationsOnExceptions": False, **written}
    config = load_durable(tmp_path, settings, FUNCTIONS_WORKER_RUNTIME="dotnet-isolated")
    assert config.host.durable.extended_sessions_enabled is enabled
    assert config.host.durable.extended_session_idle_timeout == 5
    assert not [text for text in config.warnings if "durableTask" in text]


def test_apps_in_other_languages_have_no_extended_sessions(tmp_path: Path) -> None:
    assert not load_durable(tmp_path, {}).host.durable.extended_sessions_enabled


def test_a_net_app_that_is_recognized_by_its_files_has_extended_sessions(tmp_path: Path) -> None:
    (tmp_path / "App.csproj").write_text(
        '<Project Sdk="Microsoft.NET.Sdk"><ItemGroup><PackageReference Include="Microsoft.Azure.Functions.Worker" '
        'Version="2.52.0" /></ItemGroup></Project>'
    )
    assert load_durable(tmp_path, {}).host.durable.extended_sessions_enabled
