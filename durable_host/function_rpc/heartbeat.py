"""Asks a worker for its status from time to time.

Source: docs/protocol/function-rpc.md#control-messages
"""

import asyncio
import uuid
from collections.abc import Callable

from durable_host.function_rpc.event_stream import WorkerEventStream
from durable_host.function_rpc.rpc_messages import StreamingMessage

INTERVAL = 10.0
"""Seconds between two requests."""
PATIENCE = 30.0
"""Seconds without an answer after which a worker is stuck."""


class Heartbeat:
    """`stuck` is called with the seconds since the last answer, again after each further interval."""

    def __init__(self, stream: WorkerEventStream, stuck: Callable[[float], None]) -> None:
        self._stream = stream
        self._stuck = stuck
        self._open: set[str] = set()
        self._last = 0.0

    def answered(self, request_id: str) -> None:
        """The worker has answered the request."""
        if request_id in self._open:
            self._open.clear()
            self._last = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Ask until cancelled."""
        clock = asyncio.get_running_loop().time
        self._last = clock()
        while True:
            await asyncio.sleep(INTERVAL)
            silent = clock() - self._last
            if self._open and silent >= PATIENCE:
                self._stuck(silent)
            message = StreamingMessage(request_id=str(uuid.uuid4()))
            message.worker_status_request.SetInParent()
            self._open.add(message.request_id)
            self._stream.send(message)
