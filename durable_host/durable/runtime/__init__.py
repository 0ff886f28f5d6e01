"""Runs the engine: receives messages, keeps sessions, executes orchestrations, activities and entities, and commits.

`DurableRuntime` is the worker role of one task hub. The client API and the dashboard use its `live` and `diagnostics`.
"""

from durable_host.durable.runtime.diagnostics import Diagnostics
from durable_host.durable.runtime.live import LiveInstances
from durable_host.durable.runtime.runtime import DurableRuntime, RuntimeFailed

__all__ = ["Diagnostics", "DurableRuntime", "LiveInstances", "RuntimeFailed"]
