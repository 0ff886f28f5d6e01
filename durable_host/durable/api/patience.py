"""Lets queries wait for storage that is briefly unavailable."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.storage.transport import ANSWER_TIMEOUT

T = TypeVar("T")

_RETRY_SECONDS = 0.5


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Return the result of `read`, retrying while storage is unreachable.

    Storage that refuses or breaks connections gets as much time as storage that does not respond (30 s). Then
    TaskHubUnavailable is raised.
    """
    deadline = time.monotonic() + ANSWER_TIMEOUT
    while True:
        try:
            return await read()
        except TaskHubUnavailable as error:
            if not error.is_unreachable or time.monotonic() + _RETRY_SECONDS > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
