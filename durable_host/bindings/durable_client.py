"""The durable client input binding: tells the SDK's client where the management API is.

Source: docs/protocol/durable-client.md#client-payload
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import Datum, string
from durable_host.invocation.metadata import Binding

Payload = Callable[[str | None, str | None], Awaitable[str]]
"""Returns the JSON text of the payload for a binding's `taskHub` and `connectionName`, when the API is ready."""


class DurableClientInput:
    """Passes the payload as text. It is created once for each hub in the app's bindings."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        self._made: dict[tuple[str | None, str | None], Datum] = {}

    async def read(self, binding: Binding, binding_data: Mapping[str, Any], context: BindingContext) -> Datum:
        key = (binding.text("taskHub") or None, binding.text("connectionName") or None)
        if key not in self._made:
            self._made[key] = string(await self._payload(*key))
        return self._made[key]
