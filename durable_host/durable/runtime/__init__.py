"""Runs the engine: receives messages, keeps sessions, executes orchestrations, activities and entities, and commits.

`DurableRuntime` in `runtime.py` is the worker role of one task hub. The client API and the dashboard use its `live` and
`diagnostics`; clients do not import the rest.
"""

from durable_host.durable.runtime.diagnostics import Diagnostics
from durable_host.durable.runtime.live_instances import LiveInstances

__all__ = ["Diagnostics", "LiveInstances"]
