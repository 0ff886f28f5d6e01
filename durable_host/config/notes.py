"""Notes about settings of host.json that have no effect here: one line for each that is set.

Settings of `extensions.durableTask` are in `durable_notes`.

Source: docs/protocol/functions-host-config.md#hostjson-file
"""

from collections.abc import Mapping
from typing import Final

from durable_host.config.section import Section

_TELEMETRY: Final = "spans go to OpenTelemetry, when an SDK is configured (OTEL_TRACES_EXPORTER)."
_NOT_SERVED: Final = "this host does not serve its functions."
_NOTHING_TO_SET: Final = "there is nothing to set."

NOTES: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        "aggregator": "there are no aggregated figures.",
        "concurrency": "the number of concurrent invocations is fixed.",
        "configurationProfile": "this host runs no custom handlers.",
        "customHandler": "this host runs no custom handlers.",
        "healthMonitor": "there is no such monitor.",
        "managedDependency": "it is for PowerShell.",
        "metadataProviderTimeout": "an app may take 120 seconds to load.",
        "sendCanceledInvocationsToWorker": "an invocation is sent to a worker as soon as there is one.",
        "singleton": "locks are renewed and retried after fixed times.",
        "telemetryMode": _TELEMETRY,
    },
    "logging": {
        "console": "the log levels decide what the console shows.",
        "fileLogging": "there are no log files.",
        "fileLoggingMode": "there are no log files.",
        "level": "levels belong in 'logging.logLevel'.",
        "openTelemetry": _TELEMETRY,
    },
    "extensions": {
        "cosmosDB": _NOT_SERVED,
        "eventGrid": _NOTHING_TO_SET,
        "eventHubs": _NOT_SERVED,
        "kafka": _NOT_SERVED,
        "mysql": _NOT_SERVED,
        "notificationHubs": _NOT_SERVED,
        "rabbitMQ": _NOT_SERVED,
        "sendGrid": _NOT_SERVED,
        "serviceBus": _NOT_SERVED,
        "signalR": _NOT_SERVED,
        "sql": _NOT_SERVED,
        "tables": _NOTHING_TO_SET,
        "timers": _NOTHING_TO_SET,
        "warmup": _NOTHING_TO_SET,
    },
    "extensions.http": {
        "dynamicThrottlesEnabled": "requests are limited by maxConcurrentRequests and maxOutstandingRequests only.",
        "enableChunkedRequestBinding": "chunked bodies are always read.",
    },
    "extensions.mcp": {
        "encryptClientState": "session IDs are random and contain no data.",
    },
    "extensions.http.hsts": {
        "excludedHosts": "the header is sent for all host names.",
    },
}


def add(section: Section, path: str) -> None:
    """Add a warning for each setting of `NOTES` in `section`, which is at `path`."""
    for key, note in NOTES[path].items():
        if section.raw(key) not in (None, {}):
            section.warnings.append(f"'{section.path(key)}' has no effect here: {note}")
