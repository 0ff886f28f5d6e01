"""Settings of `extensions.durableTask` in host.json.

Source: docs/protocol/durable-host-json.md#settings
"""

import msgspec


class TracingOptions(msgspec.Struct, frozen=True, kw_only=True):
    trace_inputs_and_outputs: bool = False
    trace_replay_events: bool = False
    allow_verbose_linux_telemetry: bool = False
    distributed_tracing_enabled: bool = False
    distributed_tracing_protocol: str = "HttpCorrelationProtocol"
    version: str = "V1"


class NotificationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Life-cycle events for Event Grid; not sent if `topic_endpoint` is None. Intervals in seconds."""

    topic_endpoint: str | None = None
    key_setting_name: str | None = None
    publish_retry_count: int = 0
    publish_retry_interval: float = 300.0
    publish_retry_http_status: tuple[int, ...] = ()
    publish_event_types: tuple[str, ...] = ()


class StorageProviderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the task hub is stored and how it is polled. Times in seconds."""

    type: str = "AzureStorage"
    """`AzureStorage`, or `sqlite` for the embedded engine."""
    connection_name: str = "Storage"
    partition_count: int = 4
    control_queue_batch_size: int = 32
    control_queue_buffer_threshold: int = 256
    control_queue_visibility_timeout: float = 300.0
    work_item_queue_visibility_timeout: float = 300.0
    max_queue_polling_interval: float = 30.0
    tracking_store_connection_name: str | None = None
    tracking_store_name_prefix: str = "DurableTask"
    fetch_large_messages_automatically: bool = True
    use_legacy_partition_management: bool = False
    use_table_partition_management: bool = True
    allow_replaying_terminal_instances: bool = False
    queue_client_message_encoding: str = "UTF8"
    path: str | None = None
    """`sqlite` only: the database file, relative to the app; None for the default path."""
    stands_in_for: str | None = None
    """The type in host.json, in lower case, if this hub replaces another service (see config.hub_place)."""
    replaced_connection_name: str | None = None
    """The connection of that service; in bindings, it refers to this hub."""


class ChaosSetting(msgspec.Struct, frozen=True):
    """The faults to inject as text, where the text is from, and the seed, if there is one."""

    text: str
    source: str
    seed: int | None = None


class DurableOptions(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of `extensions.durableTask`, with this host's defaults. Times in seconds."""

    hub_name: str = "TestHubName"
    storage: StorageProviderOptions = StorageProviderOptions()
    tracing: TracingOptions = TracingOptions()
    notifications: NotificationOptions = NotificationOptions()
    max_concurrent_activity_functions: int
    max_concurrent_orchestrator_functions: int
    max_concurrent_entity_functions: int
    max_entity_operation_batch_size: int = 5000
    max_orchestration_actions: int = 100_000
    extended_sessions_enabled: bool = False
    extended_session_idle_timeout: float = 30.0
    overridable_existing_instance_states: str = "NonRunningStates"
    """`NonRunningStates` or `AnyState`."""
    entity_message_reorder_window: float = 1800.0
    rollback_entity_operations_on_exceptions: bool = True
    use_graceful_shutdown: bool = False
    use_app_lease: bool = True
    store_inputs_in_orchestration_history: bool = False
    throw_status_exceptions_on_raise_event: bool | None = None
    local_rpc_endpoint_enabled: bool = True
    default_async_request_sleep_time: float = 30.0
    use_forwarded_host: bool = False
    default_version: str | None = None
    version_match_strategy: str = "CurrentOrOlder"
    """`None`, `Strict` or `CurrentOrOlder`."""
    version_failure_strategy: str = "Reject"
    """`Reject` or `Fail`."""
    keeps_gates: bool = True
    """Not in host.json: see config.gates_setting."""
    retain: float | None = None
    """Not in Azure: seconds after which ended instances are purged; None keeps them."""
    chaos: ChaosSetting | None = None
    """The command line and the environment override host.json: see config.chaos_setting."""
    max_grpc_message_size: int = 4_194_304
    grpc_http_client_timeout: float = 100.0
