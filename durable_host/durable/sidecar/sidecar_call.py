"""One call of the service, and its task hub."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from durable_host.clock import Clock
from durable_host.config.durable import DurableOptions
from durable_host.durable.api.client import DurableClient


class SidecarCall(msgspec.Struct, frozen=True):
    """One call: `client` is that of its task hub. `is_own_hub` is true if this host serves it."""

    client: DurableClient
    options: DurableOptions
    clock: Clock
    is_own_hub: bool


Operation = Callable[[SidecarCall, Any], Awaitable[Any]]
"""Takes the call and its request message, and returns the response message."""
