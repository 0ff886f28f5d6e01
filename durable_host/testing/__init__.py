"""For tests of apps: runs them in virtual time, which the test controls, or as a real host.

To run any test command against a whole running host instead, use `func exec -- pytest`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durable_host.durable.engine.history_replay import ReplayFailed
    from durable_host.testing.activity_double import ActivityCall, ActivityDouble
    from durable_host.testing.chaos.chaos_runs import ChaosFailed, chaos_runs
    from durable_host.testing.chaos.repeated_runs import ChaosResult
    from durable_host.testing.container_handle import ContainerHandle
    from durable_host.testing.function_app import FunctionApp
    from durable_host.testing.http_client import HttpClient
    from durable_host.testing.http_response import HttpResponse, HttpStatusError
    from durable_host.testing.instance_handle import InstanceHandle
    from durable_host.testing.instance_record import Instance, StillRunning
    from durable_host.testing.live_function_app import LiveFunctionApp
    from durable_host.testing.output_recorder import OutputRecorder
    from durable_host.testing.queue_handle import QueueHandle
    from durable_host.testing.replays import assert_replays
    from durable_host.testing.table_handle import TableHandle
    from durable_host.testing.virtual_clock import VirtualClock
    from durable_host.testing.virtual_host import VirtualHost
    from durable_host.testing.work_bound import EndlessWork

__all__ = [
    "ActivityCall",
    "ActivityDouble",
    "ChaosFailed",
    "ChaosResult",
    "ContainerHandle",
    "EndlessWork",
    "FunctionApp",
    "HttpClient",
    "HttpResponse",
    "HttpStatusError",
    "Instance",
    "InstanceHandle",
    "LiveFunctionApp",
    "OutputRecorder",
    "QueueHandle",
    "ReplayFailed",
    "StillRunning",
    "TableHandle",
    "VirtualClock",
    "VirtualHost",
    "assert_replays",
    "chaos_runs",
]

_MODULES = {
    "ActivityCall": "durable_host.testing.activity_double",
    "ActivityDouble": "durable_host.testing.activity_double",
    "ChaosFailed": "durable_host.testing.chaos.chaos_runs",
    "ContainerHandle": "durable_host.testing.container_handle",
    "ChaosResult": "durable_host.testing.chaos.repeated_runs",
    "EndlessWork": "durable_host.testing.work_bound",
    "FunctionApp": "durable_host.testing.function_app",
    "HttpClient": "durable_host.testing.http_client",
    "HttpResponse": "durable_host.testing.http_response",
    "HttpStatusError": "durable_host.testing.http_response",
    "Instance": "durable_host.testing.instance_record",
    "InstanceHandle": "durable_host.testing.instance_handle",
    "LiveFunctionApp": "durable_host.testing.live_function_app",
    "QueueHandle": "durable_host.testing.queue_handle",
    "OutputRecorder": "durable_host.testing.output_recorder",
    "ReplayFailed": "durable_host.durable.engine.history_replay",
    "TableHandle": "durable_host.testing.table_handle",
    "StillRunning": "durable_host.testing.instance_record",
    "VirtualClock": "durable_host.testing.virtual_clock",
    "VirtualHost": "durable_host.testing.virtual_host",
    "assert_replays": "durable_host.testing.replays",
    "chaos_runs": "durable_host.testing.chaos.chaos_runs",
}
"""Names are imported when they are used: pytest imports this package at its start, in all projects."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
