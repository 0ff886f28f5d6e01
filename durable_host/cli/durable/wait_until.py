"""Waits until a host has processed a message."""

import asyncio
from collections.abc import Callable

from durable_host.durable.api.client import DurableClient
from durable_host.durable.model.instance import InstanceState

_LOOK_SECONDS = 0.25


async def until(
    client: DurableClient, instance_id: str, accepts: Callable[[InstanceState], bool], timeout: float
) -> InstanceState | None:
    """The first state that `accepts` returns true for, or the last one seen after `timeout` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        state = await client.get(instance_id, fetch_input=False, fetch_output=False)
        if state is None or accepts(state) or loop.time() >= deadline:
            return state
        await asyncio.sleep(min(_LOOK_SECONDS, max(0.0, deadline - loop.time())))
