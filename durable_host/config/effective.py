"""The effective options of the extensions, with defaults.

Source: docs/protocol/functions-host-admin.md#effective-options
"""

from typing import Any

from durable_host.config import timespan
from durable_host.config.durable import DurableOptions
from durable_host.config.host_json import HostJson

_CONCURRENCY = {
    "dynamicConcurrencyEnabled": False,
    "maximumFunctionConcurrency": 500,
    "cpuThreshold": 0.8,
    "snapshotPersistenceEnabled": True,
}
"""The defaults. This host does not adapt its concurrency."""


def effective_options(host: HostJson) -> dict[str, Any]:
    """`extensions` and `concurrency`; time spans are texts such as `00:00:02`."""
    http, queues, blobs = host.http, host.queues, host.blobs
    return {
        "extensions": {
            "blobs": {
                "maxDegreeOfParallelism": blobs.max_degree_of_parallelism,
                "poisonBlobThreshold": blobs.poison_blob_threshold,
            },
            "durableTask": _durable(host.durable),
            "http": {
                "dynamicThrottlesEnabled": False,
                "enableChunkedRequestBinding": False,
                "maxConcurrentRequests": http.max_concurrent_requests,
                "maxOutstandingRequests": http.max_outstanding_requests,
                "routePrefix": http.route_prefix,
            },
            "mcp": {
                "instructions": host.mcp.instructions,
                "serverName": host.mcp.server_name,
                "serverVersion": host.mcp.server_version,
                "messageOptions": {"useAbsoluteUriForEndpoint": host.mcp.uses_absolute_endpoint},
                "system": {"webhookAuthorizationLevel": "Anonymous" if host.mcp.is_anonymous else "System"},
            },
            "queues": {
                "batchSize": queues.batch_size,
                "newBatchThreshold": queues.new_batch_threshold,
                "maxPollingInterval": timespan.render(queues.max_polling_interval),
                "maxDequeueCount": queues.max_dequeue_count,
                "visibilityTimeout": timespan.render(queues.visibility_timeout),
                "messageEncoding": queues.message_encoding.capitalize(),
            },
        },
        "concurrency": _CONCURRENCY,
    }


def _durable(options: DurableOptions) -> dict[str, Any]:
    storage = options.storage
    return {
        "hubName": options.hub_name,
        "storageProvider": {
            "type": storage.type,
            "connectionName": storage.connection_name,
            "partitionCount": storage.partition_count,
            "controlQueueBatchSize": storage.control_queue_batch_size,
            "controlQueueBufferThreshold": storage.control_queue_buffer_threshold,
            "controlQueueVisibilityTimeout": timespan.render(storage.control_queue_visibility_timeout),
            "workItemQueueVisibilityTimeout": timespan.render(storage.work_item_queue_visibility_timeout),
            "maxQueuePollingInterval": timespan.render(storage.max_queue_polling_interval),
        },
        "maxConcurrentActivityFunctions": options.max_concurrent_activity_functions,
        "maxConcurrentOrchestratorFunctions": options.max_concurrent_orchestrator_functions,
        "maxConcurrentEntityFunctions": options.max_concurrent_entity_functions,
        "maxEntityOperationBatchSize": options.max_entity_operation_batch_size,
        "extendedSessionsEnabled": options.extended_sessions_enabled,
        "overridableExistingInstanceStates": options.overridable_existing_instance_states,
        "entityMessageReorderWindow": timespan.render(options.entity_message_reorder_window),
        "useGracefulShutdown": options.use_graceful_shutdown,
        "useAppLease": options.use_app_lease,
        "storeInputsInOrchestrationHistory": options.store_inputs_in_orchestration_history,
        "defaultVersion": options.default_version,
        "versionMatchStrategy": options.version_match_strategy,
        "versionFailureStrategy": options.version_failure_strategy,
    }
