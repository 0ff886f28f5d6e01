"""Reads `extensions.durableTask` into DurableOptions, with the error texts of the extension.

Source: docs/protocol/durable-host-json.md#settings, docs/protocol/durable-host-json.md#invalid-values
"""

import os
import re
from collections.abc import Callable
from typing import Any, cast

from durable_host.config import durable_notes, hub_name, retention_period
from durable_host.config.chaos_setting import read_chaos
from durable_host.config.durable import DurableOptions, NotificationOptions, StorageProviderOptions, TracingOptions
from durable_host.config.hub_place import OTHER_SERVICES, HubPlace
from durable_host.config.section import Section, shown
from durable_host.config.worker_runtime import DOTNET, PYTHON
from durable_host.errors import ConfigurationError

_DEFAULT_HUB = "TestHubName"
_SETTING = re.compile(r"%[^%]+%")


def read(
    section: Section, lookup: Callable[[str, str], str], place: HubPlace = HubPlace(), runtime: str = PYTHON
) -> DurableOptions:
    """Read all options for an app in the language `runtime`. `lookup` replaces `%NAME%` in its first argument by app
    settings.

    Its second argument is the location of the text, for errors. `place` decides where the hub is stored if host.json
    names a service that is not available here, or if the user chooses.
    """
    concurrency = 10 * (os.cpu_count() or 1)
    provider = section.section("storageProvider")
    storage = _storage(provider, place)
    name = _hub_name(section, lookup, stands_in=storage.stands_in_for is not None)
    if storage.stands_in_for is not None:
        section.warnings.append(_stand_in_note(section, provider, storage, name))
    http = section.section("httpSettings")
    is_dotnet = runtime == DOTNET
    options = DurableOptions(
        hub_name=name,
        storage=storage,
        tracing=_tracing(section.section("tracing")),
        notifications=_notifications(section.section("notifications")),
        max_concurrent_activity_functions=_positive(section, "maxConcurrentActivityFunctions", concurrency),
        max_concurrent_orchestrator_functions=_positive(section, "maxConcurrentOrchestratorFunctions", concurrency),
        max_concurrent_entity_functions=_positive(section, "maxConcurrentEntityFunctions", concurrency),
        max_entity_operation_batch_size=_positive(section, "maxEntityOperationBatchSize", 5000),
        max_orchestration_actions=_lenient(section, "maxOrchestrationActions", 100_000, minimum=1),
        extended_sessions_enabled=section.boolean("extendedSessionsEnabled", is_dotnet),
        extended_session_idle_timeout=float(_lenient(section, "extendedSessionIdleTimeoutInSeconds", 30)),
        overridable_existing_instance_states=section.choice(
            "overridableExistingInstanceStates", ("AnyState", "NonRunningStates"), "NonRunningStates", by_number=True
        ),
        entity_message_reorder_window=60.0 * _lenient(section, "entityMessageReorderWindowInMinutes", 30),
        rollback_entity_operations_on_exceptions=section.boolean("rollbackEntityOperationsOnExceptions", True),
        use_graceful_shutdown=section.boolean("useGracefulShutdown", False),
        use_app_lease=section.boolean("useAppLease", True),
        store_inputs_in_orchestration_history=section.boolean("storeInputsInOrchestrationHistory", False),
        throw_status_exceptions_on_raise_event=section.optional_boolean("throwStatusExceptionsOnRaiseEvent"),
        local_rpc_endpoint_enabled=section.boolean("localRpcEndpointEnabled", True),
        default_async_request_sleep_time=_lenient(http, "defaultAsyncRequestSleepTimeMilliseconds", 30_000) / 1000,
        use_forwarded_host=http.boolean("useForwardedHost", False),
        default_version=_version(section),
        version_match_strategy=section.choice(
            "versionMatchStrategy", ("None", "Strict", "CurrentOrOlder"), "CurrentOrOlder", by_number=True
        ),
        version_failure_strategy=section.choice("versionFailureStrategy", ("Reject", "Fail"), "Reject"),
        retain=_retain(section),
        chaos=read_chaos(section),
        max_grpc_message_size=_lenient(section, "maxGrpcMessageSizeInBytes", 4_194_304, minimum=1),
        grpc_http_client_timeout=section.span("grpcHttpClientTimeout", 100.0),
    )
    _check_app_lease(section.section("appLeaseOptions"))
    durable_notes.add(section, is_dotnet=is_dotnet)
    section.accept("eventGridTopicEndpoint", "eventGridKeySettingName")
    http.close()
    section.close()
    if options.extended_sessions_enabled and not is_dotnet:
        section.warnings.append(
            f"'{section.path('extendedSessionsEnabled')}' has no effect for Python and Node.js apps in Azure "
            "(extension 3.x refuses to start with it); this host keeps sessions of active instances anyway."
        )
    return options


def _hub_name(section: Section, lookup: Callable[[str, str], str], *, stands_in: bool) -> str:
    """The name of the hub. If it replaces a hub of another service with other naming rules, the name is made valid."""
    written = section.optional_text("hubName")
    if written is None:
        try:
            site = lookup("%WEBSITE_SITE_NAME%", "")
        except ConfigurationError:
            return _DEFAULT_HUB
        return hub_name.repaired(site)
    try:
        name = lookup(written, section.path("hubName"))
    except ConfigurationError:
        if not stands_in:
            raise
        return _DEFAULT_HUB
    if stands_in:
        return hub_name.repaired(name)
    if (problem := hub_name.problem(name)) is not None:
        raise section.error("hubName", "", problem)
    return name


def _retain(section: Section) -> float | None:
    written = section.raw("retain")
    if written is None:
        return None
    try:
        return retention_period.parse("" if isinstance(written, bool) else str(written))
    except ValueError:
        raise section.error("retain", retention_period.EXPECTED) from None


def _version(section: Section) -> str | None:
    text = section.optional_text("defaultVersion")
    if text is not None and _SETTING.search(text):
        section.warnings.append(
            f"'{section.path('defaultVersion')}' is {shown(text)}: Azure resolves %NAME% in hubName only, so this text "
            "itself is the version. Write the version there, or set "
            "AzureFunctionsJobHost__extensions__durableTask__defaultVersion in the app settings."
        )
    return text


def _check_app_lease(section: Section) -> None:
    for key, default in (("renewInterval", 25.0), ("acquireInterval", 300.0), ("leaseInterval", 60.0)):
        section.span(key, default)
    section.close()


def _connection_name(section: Section, *keys: str) -> str | None:
    """The value of the first of `keys` that is set. Azure does not start if it contains a `%NAME%`."""
    found = next((key for key in keys if section.optional_text(key)), None)
    if found is None:
        return None
    name = section.text(found, "")
    if _SETTING.search(name):
        raise section.error(
            found,
            "",
            "Azure resolves %NAME% in hubName only and does not start with this. Write the name of the connection "
            "here, or set it in the environment: AzureFunctionsJobHost__extensions__durableTask__storageProvider__"
            f"{found}.",
        )
    return name


def _storage(section: Section, place: HubPlace) -> StorageProviderOptions:
    written = _provider_type(section)
    provider = place.provider(written)
    if written in OTHER_SERVICES:
        # The other settings belong to a service that is not available here.
        return StorageProviderOptions(
            type=provider,
            path=section.optional_text("path"),
            stands_in_for=written,
            replaced_connection_name=section.optional_text("connectionStringName")
            or section.optional_text("connectionName"),
        )

    defaults = StorageProviderOptions()
    options = StorageProviderOptions(
        type=provider,
        connection_name=_connection_name(section, "connectionName", "connectionStringName") or defaults.connection_name,
        partition_count=section.integer(
            "partitionCount",
            defaults.partition_count,
            minimum=1,
            maximum=16,
            message="PartitionCount must be an integer value between 1 and 16.",
        ),
        control_queue_batch_size=section.integer(
            "controlQueueBatchSize",
            defaults.control_queue_batch_size,
            minimum=1,
            maximum=32,
            message="ControlQueueBatchSize must be a positive integer and must not exceed 32; Azure does not start "
            "with another one.",
        ),
        control_queue_buffer_threshold=section.integer(
            "controlQueueBufferThreshold",
            defaults.control_queue_buffer_threshold,
            minimum=1,
            maximum=1000,
            message="ControlQueueBufferThreshold must be between 1 and 1000.",
        ),
        control_queue_visibility_timeout=section.span(
            "controlQueueVisibilityTimeout",
            defaults.control_queue_visibility_timeout,
            minimum=60.0,
            maximum=3600.0,
            message="ControlQueueVisibilityTimeout must be between 1 and 60 minutes.",
        ),
        work_item_queue_visibility_timeout=section.span(
            "workItemQueueVisibilityTimeout", defaults.work_item_queue_visibility_timeout
        ),
        max_queue_polling_interval=section.span(
            "maxQueuePollingInterval",
            defaults.max_queue_polling_interval,
            message="MaxQueuePollingInterval must be non-negative.",
        ),
        tracking_store_connection_name=_connection_name(
            section, "trackingStoreConnectionName", "trackingStoreConnectionStringName"
        ),
        tracking_store_name_prefix=section.text("trackingStoreNamePrefix", defaults.tracking_store_name_prefix),
        fetch_large_messages_automatically=section.boolean("fetchLargeMessagesAutomatically", True),
        use_legacy_partition_management=section.boolean("useLegacyPartitionManagement", False),
        use_table_partition_management=section.boolean("useTablePartitionManagement", True),
        allow_replaying_terminal_instances=section.boolean("allowReplayingTerminalInstances", False),
        queue_client_message_encoding=section.choice("queueClientMessageEncoding", ("UTF8", "Base64"), "UTF8"),
        path=section.optional_text("path"),
    )
    section.span("partitionTableOperationTimeout", 2.0)
    section.boolean("useInstanceTableEtag", False)
    if options.control_queue_batch_size > options.control_queue_buffer_threshold:
        section.warnings.append(
            f"'{section.path('controlQueueBatchSize')}' ({options.control_queue_batch_size}) is larger than "
            f"controlQueueBufferThreshold ({options.control_queue_buffer_threshold}): one poll fills the buffer."
        )
    section.close()
    return options


def _provider_type(section: Section) -> str:
    """`AzureStorage`, `sqlite`, or the type of another service in lower case."""
    written = section.text("type", "AzureStorage")
    for known in ("AzureStorage", "sqlite", *OTHER_SERVICES):
        if written.casefold() == known.casefold():
            return known
    error = section.error(
        "type",
        "",
        f"Storage provider type ({written}) was not found. Available storage providers: AzureStorage, sqlite.",
    )
    raise ConfigurationError(
        error.message,
        remedy='Set extensions.durableTask.storageProvider to { "type": "AzureStorage" } (Azurite locally) or '
        '{ "type": "sqlite" }.',
        code="DH1005",
    )


def _stand_in_note(durable: Section, provider: Section, storage: StorageProviderOptions, name: str) -> str:
    service = OTHER_SERVICES[storage.stands_in_for or ""]
    if storage.type == "sqlite":
        place, other = "in a SQLite file", "--task-hub storage keeps it in the account of AzureWebJobsStorage"
    else:
        place, other = "in the account of AzureWebJobsStorage", "--task-hub sqlite keeps it in a file"
    hub = f"a local task hub replaces it, '{name}'"
    written = durable.optional_text("hubName")
    if written is not None and written != name:
        hub += f" (hubName is '{written}')"
    return f"'{provider.path('type')}' asks for {service}, which does not run on this machine: {hub} {place} ({other})."


def _positive(section: Section, key: str, default: int) -> int:
    name = key[0].upper() + key[1:]
    return section.integer(key, default, minimum=1, message=f"{name} must be a positive integer value.")


def _lenient(section: Section, key: str, default: int, *, minimum: int = 0) -> int:
    """A number that Azure does not check. Below `minimum`, the default is used, with a warning."""
    value = section.integer(key, default)
    if value >= minimum:
        return value
    section.warnings.append(
        f"'{section.path(key)}' is {value}, which has no meaning: {default} is used. Azure accepts it."
    )
    return default


def _tracing(section: Section) -> TracingOptions:
    section.boolean("includeInstanceIdInOperationName", False)
    options = TracingOptions(
        trace_inputs_and_outputs=section.boolean("traceInputsAndOutputs", False),
        trace_replay_events=section.boolean("traceReplayEvents", False),
        allow_verbose_linux_telemetry=section.boolean("allowVerboseLinuxTelemetry", False),
        distributed_tracing_enabled=section.boolean("distributedTracingEnabled", False),
        distributed_tracing_protocol=section.text("distributedTracingProtocol", "HttpCorrelationProtocol"),
        version=section.choice("version", ("None", "V1", "V2"), "V1"),
    )
    section.close()
    return options


def _notifications(section: Section) -> NotificationOptions:
    grid = section.section("eventGrid")
    statuses = grid.raw("publishRetryHttpStatus")
    if statuses is not None and not _is_list_of_integers(statuses):
        raise grid.error("publishRetryHttpStatus", "an array of status codes")
    options = NotificationOptions(
        topic_endpoint=grid.optional_text("topicEndpoint"),
        key_setting_name=grid.optional_text("keySettingName"),
        publish_retry_count=_lenient(grid, "publishRetryCount", 0),
        publish_retry_interval=grid.span(
            "publishRetryInterval",
            300.0,
            minimum=1e-7,
            maximum=3600.0,
            message="it must be more than 0 and at most one hour; Azure does not start with another value.",
        ),
        publish_retry_http_status=tuple(int(status) for status in statuses or ()),
        publish_event_types=grid.texts("publishEventTypes") or (),
    )
    grid.close()
    section.close()
    for given, missing in (("topicEndpoint", "keySettingName"), ("keySettingName", "topicEndpoint")):
        if grid.optional_text(given) and not grid.optional_text(missing):
            raise grid.error(given, "", f"it also needs {missing}; Azure does not start without it.")
    if options.topic_endpoint:
        section.warnings.append(f"'{grid.path('topicEndpoint')}': life-cycle events are not sent by this host.")
    return options


def _is_list_of_integers(value: Any) -> bool:
    return isinstance(value, list) and all(str(item).isdigit() for item in cast("list[Any]", value))
