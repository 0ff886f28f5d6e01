"""Notes about settings of `extensions.durableTask` that have no effect here: one line for each that is set.

Source: docs/protocol/durable-host-json.md#settings
"""

from durable_host.config.section import Section

_NO_EFFECT = "has no effect here:"
_NOTES: dict[str, dict[str, str]] = {
    "": {
        "appLeaseOptions": "the app lease is renewed and acquired after fixed times.",
        "extendedSessionIdleTimeoutInSeconds": "sessions of active instances stay in memory while there is room.",
        "rollbackEntityOperationsOnExceptions": "an operation of an entity that fails is never rolled back.",
        "useGracefulShutdown": "the first Ctrl+C always gives running functions some seconds to finish.",
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
        "distributedTracingProtocol": "the trace context is that of the W3C.",
        "includeInstanceIdInOperationName": "spans have the name of the function, and the instance as a tag.",
        "traceInputsAndOutputs": "log lines do not contain inputs and outputs; the management API shows them.",
        "traceReplayEvents": "replays are not logged.",
        "version": "spans have the names of V2, if an OpenTelemetry SDK is configured.",
    },
}


_EFFECTIVE_IN_DOTNET = ("extendedSessionIdleTimeoutInSeconds", "rollbackEntityOperationsOnExceptions")


def add(section: Section, *, is_dotnet: bool = False) -> None:
    """Add a warning for each of them that is set in `section` (`extensions.durableTask`).

    Some have an effect in apps of .NET (`is_dotnet`).
    """
    for name, notes in _NOTES.items():
        part = section.section(name) if name else section
        for key, note in notes.items():
            if is_dotnet and not name and key in _EFFECTIVE_IN_DOTNET:
                section.accept(key)
            elif key in part:
                section.warnings.append(f"'{part.path(key)}' {_NO_EFFECT} {note}")
