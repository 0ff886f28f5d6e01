"""Drives the engine: receives messages, keeps sessions, runs orchestrations, activities and entities, commits.

`DurableRuntime` is the worker role of one task hub; its `live` and `diagnostics` are for the client API and the
dashboard.
"""

from durable_host.durable.runtime.diagnostics import Diagnostics
from durable_host.durable.runtime.live import LiveInstances
from durable_host.durable.runtime.runtime import DurableRuntime, RuntimeFailed

__all__ = ["Diagnostics", "DurableRuntime", "LiveInstances", "RuntimeFailed"]
