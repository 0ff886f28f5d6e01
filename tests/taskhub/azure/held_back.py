"""Requests of one kind that a test holds back, lets go, or lets fail before or after they take effect."""

import asyncio
from typing import Any

from recording_account import Recorder

from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.message_reader import MessageReader
from durable_host.storage import StorageError


class HeldBack:
    """Install it before the hub is opened. It holds requests back between `begin` and `let_go` or `fail`."""

    def __init__(self, service: Recorder | MessageReader | HeldMessages, method: str) -> None:
        self._send = getattr(service, method)
        self._open = asyncio.Event()
        self._open.set()
        self._before: StorageError | None = None
        self._after: StorageError | None = None
        self._takes_effect_first = False
        self.began = asyncio.Event()
        self.took_effect = asyncio.Event()
        setattr(service, method, self._request)

    def begin(self, *, after_effect: bool = False) -> None:
        """Hold back all requests from now on, or with `after_effect` their responses."""
        self._open.clear()
        self._takes_effect_first = after_effect
        self._before = self._after = None
        self.began.clear()
        self.took_effect.clear()

    def let_go(self) -> None:
        self._open.set()

    def fail(self, error: StorageError, *, after_effect: bool = False) -> None:
        """Let the requests go, and fail them."""
        if after_effect:
            self._after = error
        else:
            self._before = error
        self._open.set()

    async def _request(self, *arguments: Any, **options: Any) -> Any:
        if self._open.is_set() and self._before is None and self._after is None:
            return await self._send(*arguments, **options)
        self.began.set()
        if self._takes_effect_first:
            reply = await self._send(*arguments, **options)
            self.took_effect.set()
            await self._open.wait()
        else:
            await self._open.wait()
            if self._before is not None:
                raise self._before
            reply = await self._send(*arguments, **options)
        if self._after is not None:
            raise self._after
        return reply

    def end(self) -> None:
        """Requests succeed again."""
        self._before = self._after = None
        self._open.set()
