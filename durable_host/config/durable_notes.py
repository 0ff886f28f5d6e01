"""Settings of `extensions.durableTask` that this host reads and has no use for: one line each, when one is set.

Source: docs/protocol/durable-host-json.md#settings
"""

from durable_host.config.section import Section

_NO_EFFECT = "has no effect here:"
_NOTES: dict[str, dict[str, str]] = {
    "": {
        "appLeaseOptions": "the app lease is renewed and acquired after fixed times.",
        "extendedSessionIdleTimeoutInSeconds": "sessions of active instances stay in memory while there is room.",
        "rollbackEntityOperationsOnExceptions": "an operation of a Python entity that fails is never rolled back.",
        "useGracefulShutdown": "the first Ctrl-C always lets running functions finish for some seconds.",
    },
    "storageProvider": {
        "allowReplayingTerminalInstances": "messages for an instance that has ended are discarded.",
        "fetchLargeMessagesAutomatically": "status queries always load large inputs and outputs.",
        "partitionTableOperationTimeout": "requests to storage have fixed time limits.",
        "useInstanceTableEtag": "the rows of instances have one writer.",
        "useLegacyPartitionManagement": "partitions are shared through the partition table.",
    },
    "tracing": {
        "allowVerboseLinuxTelemetry": "there is no such telemetry.",
        "distributedTracingEnabled": "spans are recorded when an OpenTelemetry SDK is configured "
        "(OTEL_TRACES_EXPORTER).",
        "distributedTracingProtocol": "trace context is W3C's.",
        "includeInstanceIdInOperationName": "spans have the name of the function, and the instance as a tag.",
        "traceInputsAndOutputs": "log lines carry no inputs and outputs; the management API shows them.",
        "traceReplayEvents": "replays are not logged.",
        "version": "spans are named as version V2 has it, when an OpenTelemetry SDK is configured.",
    },
}


def add(section: Section) -> None:
    """Warn of each of them that `section` (`extensions.durableTask`) sets."""
    for name, notes in _NOTES.items():
        part = section.section(name) if name else section
        for key, note in notes.items():
            if key in part:
                section.warnings.append(f"'{part.path(key)}' {_NO_EFFECT} {note}")
