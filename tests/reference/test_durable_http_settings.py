"""The settings of extensions.durableTask: what Azure and this host do with each value.

The rows of the second table of the comparison with extension 3.19.0, in its order.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from durable_host.config import HostConfig, load
from durable_host.config.durable import DurableOptions
from durable_host.errors import ConfigurationError


def load_durable(root: Path, settings: dict[str, Any], **environ: str) -> HostConfig:
    document = {"version": "2.0", "extensions": {"durableTask": settings}}
    (root / "host.json").write_text(json.dumps(document), "utf-8")
    return load(root, environ=environ)


def provider(**settings: Any) -> dict[str, Any]:
    return {"storageProvider": settings}


def grid(**settings: Any) -> dict[str, Any]:
    return {"notifications": {"eventGrid": settings}}


STOPS_THE_START = [
    ("1", provider(controlQueueBatchSize=0), "must not exceed 32"),
    ("1", provider(controlQueueBatchSize=33), "must not exceed 32"),
    ("3", provider(connectionName="%CONN%"), "Azure resolves %NAME% in hubName only"),
    ("3", provider(connectionStringName="%CONN%"), "Azure resolves %NAME% in hubName only"),
    ("3", provider(trackingStoreConnectionName="%CONN%"), "Azure resolves %NAME% in hubName only"),
    ("7", {"appLeaseOptions": {"renewInterval": 5}}, "a time span"),
    ("7", {"appLeaseOptions": {"acquireInterval": "soon"}}, "a time span"),
    ("7", {"appLeaseOptions": {"leaseInterval": True}}, "a time span"),
    ("7", {"appLeaseOptions": 1}, "an object"),
    ("7", grid(publishRetryInterval="00:00:00"), "at most one hour"),
    ("7", grid(publishRetryInterval="01:00:01"), "at most one hour"),
    ("7", grid(topicEndpoint="https://x"), "needs keySettingName"),
    ("7", grid(keySettingName="KEY"), "needs topicEndpoint"),
]


@pytest.mark.parametrize(("row", "settings", "text"), STOPS_THE_START)
def test_what_stops_the_start_in_azure_stops_it_here(tmp_path: Path, row: str, settings: Any, text: str) -> None:
    """durable-http settings 1, 3, 7: Azure does not start."""
    with pytest.raises(ConfigurationError) as caught:
        load_durable(tmp_path, settings, CONN="Elsewhere")
    assert text in caught.value.message
    assert caught.value.message.startswith("host.json: 'extensions.durableTask.")


@pytest.mark.parametrize("size", [1, 32])
def test_sizes_of_batches_that_azure_takes_are_taken(tmp_path: Path, size: int) -> None:
    """durable-http settings 1: sizes from 1 to 32 are fine."""
    config = load_durable(tmp_path, provider(controlQueueBatchSize=size))
    assert config.host.durable.storage.control_queue_batch_size == size


KNOWN = [
    (provider(partitionTableOperationTimeout="00:00:05"), "partitionTableOperationTimeout"),
    (provider(useInstanceTableEtag=True), "useInstanceTableEtag"),
    ({"tracing": {"includeInstanceIdInOperationName": True}}, "includeInstanceIdInOperationName"),
]


@pytest.mark.parametrize(("settings", "name"), KNOWN, ids=[name for _, name in KNOWN])
def test_settings_of_the_extension_are_known(tmp_path: Path, settings: Any, name: str) -> None:
    """durable-http settings 2: known."""
    (warning,) = [text for text in load_durable(tmp_path, settings).warnings if name in text]
    assert "has no effect here" in warning
    assert "not a known setting" not in warning


def test_a_version_in_percent_signs_is_that_text(tmp_path: Path) -> None:
    """durable-http settings 3: literal text; a warning says so."""
    config = load_durable(tmp_path, {"defaultVersion": "%VER%"}, VER="1.2")
    assert config.host.durable.default_version == "%VER%"
    assert any("defaultVersion" in text and "Azure resolves %NAME% in hubName only" in text for text in config.warnings)


def test_the_name_of_the_hub_is_resolved(tmp_path: Path) -> None:
    """durable-http settings 3: only `hubName` is resolved."""
    assert load_durable(tmp_path, {"hubName": "%HUB%"}, HUB="FromSetting").host.durable.hub_name == "FromSetting"


@pytest.mark.differs("extended-sessions")
def test_extended_sessions_start_here_with_a_warning(tmp_path: Path) -> None:
    """durable-http settings 4: stays different. Azure does not start; this host warns."""
    warnings = load_durable(tmp_path, {"extendedSessionsEnabled": True}).warnings
    assert any("refuses to start with it" in text for text in warnings)


UNCHECKED: list[tuple[dict[str, Any], str, object]] = [
    ({"maxOrchestrationActions": 0}, "max_orchestration_actions", 100_000),
    ({"maxGrpcMessageSizeInBytes": -1}, "max_grpc_message_size", 4_194_304),
    ({"entityMessageReorderWindowInMinutes": -1}, "entity_message_reorder_window", 1800.0),
    ({"extendedSessionIdleTimeoutInSeconds": -1}, "extended_session_idle_timeout", 30.0),
    ({"httpSettings": {"defaultAsyncRequestSleepTimeMilliseconds": -1}}, "default_async_request_sleep_time", 30.0),
    (grid(publishRetryCount=-1), "notifications.publish_retry_count", 0),
]


@pytest.mark.parametrize(("settings", "name", "value"), UNCHECKED, ids=[name for _, name, _ in UNCHECKED])
def test_numbers_that_azure_does_not_check_are_accepted(
    tmp_path: Path, settings: Any, name: str, value: object
) -> None:
    """durable-http settings 5: accepted."""
    config = load_durable(tmp_path, settings)
    assert option(config.host.durable, name) == value
    assert any("which has no meaning" in text for text in config.warnings)


def test_an_empty_time_of_hidden_work_items_is_accepted(tmp_path: Path) -> None:
    """durable-http settings 5: accepted."""
    config = load_durable(tmp_path, provider(workItemQueueVisibilityTimeout="00:00:00"))
    assert config.host.durable.storage.work_item_queue_visibility_timeout == 0


WORDS = [
    ({"overridableExistingInstanceStates": 0}, "overridable_existing_instance_states", "AnyState"),
    ({"overridableExistingInstanceStates": "1"}, "overridable_existing_instance_states", "NonRunningStates"),
    ({"versionMatchStrategy": 0}, "version_match_strategy", "None"),
    ({"versionMatchStrategy": 1}, "version_match_strategy", "Strict"),
    ({"versionMatchStrategy": 2}, "version_match_strategy", "CurrentOrOlder"),
    ({"tracing": {"distributedTracingProtocol": "Pigeons"}}, "tracing.distributed_tracing_protocol", "Pigeons"),
]


@pytest.mark.parametrize(("settings", "name", "value"), WORDS)
def test_words_may_be_numbers_and_the_protocol_any_text(tmp_path: Path, settings: Any, name: str, value: str) -> None:
    """durable-http settings 6: accepted."""
    assert option(load_durable(tmp_path, settings).host.durable, name) == value


@pytest.mark.differs("container-name")
def test_a_container_has_the_limits_of_every_machine(tmp_path: Path) -> None:
    """durable-http settings 0: stays different. `CONTAINER_NAME` alone gives 10/5/10, batches of 50, a buffer of 32."""
    here, in_container = load_durable(tmp_path, {}), load_durable(tmp_path, {}, CONTAINER_NAME="c")
    assert in_container.host.durable == here.host.durable
    assert not in_container.warnings


@pytest.mark.differs("legacy-partitions")
def test_legacy_partitions_have_no_effect(tmp_path: Path) -> None:
    """durable-http settings 8: stays different. `useTablePartitionManagement` is switched off; here a line says so."""
    warnings = load_durable(tmp_path, provider(useLegacyPartitionManagement=True)).warnings
    assert any("useLegacyPartitionManagement" in text and "no effect here" in text for text in warnings)


def test_a_batch_larger_than_the_buffer_is_warned_about(tmp_path: Path) -> None:
    """durable-http settings 9: a warning."""
    warnings = load_durable(tmp_path, provider(controlQueueBufferThreshold=31)).warnings
    assert any("larger than controlQueueBufferThreshold" in text for text in warnings)
    assert not load_durable(tmp_path, provider(controlQueueBufferThreshold=32)).warnings


def test_the_mode_of_the_grpc_listener_is_not_a_setting(tmp_path: Path) -> None:
    """durable-http settings 10: no public option, ignored."""
    (warning,) = load_durable(tmp_path, {"grpcListenerMode": "x"}).warnings
    assert "not a known setting" in warning


def option(options: DurableOptions, name: str) -> object:
    value: Any = options
    for part in name.split("."):
        value = getattr(value, part)
    return value
