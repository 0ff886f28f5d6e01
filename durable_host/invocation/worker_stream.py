"""The host's side of a streamed call: passes data between client and worker, no faster than the other side reads it.

`durable_host/worker/http_stream.py` describes the frames.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from durable_host.invocation.code_failure import read_code_failure
from durable_host.invocation.errors import ClientGone, FunctionFailed
from durable_host.invocation.http_exchange import HttpExchange
from durable_host.worker.frames import FrameBody
from durable_host.worker.http_stream import PIECE, WINDOW

Answer = tuple[dict[str, Any], bytes]
Send = Callable[[dict[str, Any], FrameBody | None], None]

FRAMES = frozenset({"head", "body", "want"})
_ENDED_BY_CLIENT = frozenset({"ClientDisconnect", "CancelledError", "ConnectionResetError"})
"""The type of the error of a call whose client has disconnected."""


class WorkerStream:
    """A streamed call. Pass the worker's frames to `received`; `run` does everything else."""

    def __init__(self, invocation_id: str, exchange: HttpExchange, send: Send, *, names_type: bool = True) -> None:
        self._names_type = names_type
        self._id = invocation_id
        self._exchange = exchange
        self._send = send
        self._frames: deque[Answer] = deque()
        self._arrived = asyncio.Event()
        self._credit = WINDOW
        self._credited = asyncio.Event()
        self._written = 0
        self._is_complete = False
        self._broken: Exception | None = None

    def received(self, header: dict[str, Any], blob: bytes) -> None:
        if header["k"] == "want":
            self._credit += header["n"]
            self._credited.set()
        else:
            self._frames.append((header, blob))
            self._arrived.set()

    async def run(self, answer: asyncio.Future[Answer]) -> Answer:
        """Run until the call has ended and all data has been passed on.

        Raises ClientGone, FunctionFailed, and the exceptions of `answer` and of the exchange for a response that cannot
        be sent.
        """
        answer.add_done_callback(self._ended)
        sending = asyncio.create_task(self._pass_on_request())
        watching = asyncio.create_task(self._watch_client())
        receiving = asyncio.create_task(self._pass_on_response(answer))
        try:
            await asyncio.wait((answer,))
            await receiving
            reply, data = answer.result()
        finally:
            for task in (sending, watching, receiving):
                task.cancel()
            await asyncio.gather(sending, watching, receiving, return_exceptions=True)
            answer.remove_done_callback(self._ended)
            if not answer.done():
                self._hang_up(None)
        failed = reply["k"] == "failed"
        if self._broken is not None and not (failed and reply["type"] not in _ENDED_BY_CLIENT):
            raise self._broken
        if failed:
            failure = read_code_failure(reply, names_type=self._names_type)
            raise FunctionFailed(reply["type"], reply["message"], reply["stack"], failure)
        return reply, data

    async def _pass_on_request(self) -> None:
        if not self._exchange.head.has_body:
            return
        try:
            while data := await self._exchange.read():
                await self._send_piecewise(data)
        except ClientGone as error:
            self._hang_up(error)
        else:
            self._send({"k": "chunk", "i": self._id, "last": True}, None)

    async def _send_piecewise(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            while self._credit <= 0:
                self._credited.clear()
                await self._credited.wait()
            blob = FrameBody()
            _, size = blob.add(data[start : start + min(PIECE, self._credit)])
            self._credit -= size
            start += size
            self._send({"k": "chunk", "i": self._id}, blob)

    async def _watch_client(self) -> None:
        reason = await self._exchange.wait_disconnected()
        if not self._is_complete:
            self._hang_up(ClientGone(reason))

    async def _pass_on_response(self, answer: asyncio.Future[Answer]) -> None:
        while True:
            while self._frames:
                header, blob = self._frames.popleft()
                if self._broken is None:
                    await self._pass_on(header, blob)
            if answer.done():
                return
            self._arrived.clear()
            await self._arrived.wait()

    async def _pass_on(self, header: dict[str, Any], blob: bytes) -> None:
        try:
            if header["k"] == "head":
                self._is_complete = bool(header.get("last"))
                await self._exchange.begin(header["status"], [(name, value) for name, value in header["headers"]])
            if blob:
                await self._exchange.write(blob)
                self._written += len(blob)
            if header.get("last"):
                self._is_complete = True
                await self._exchange.end()
            elif self._written >= WINDOW // 4:
                self._send({"k": "room", "i": self._id, "n": self._written}, None)
                self._written = 0
        except Exception as error:
            self._hang_up(error)

    def _hang_up(self, reason: Exception | None) -> None:
        if self._broken is None:
            self._broken = reason
            self._send({"k": "gone", "i": self._id}, None)

    def _ended(self, _: asyncio.Future[Answer]) -> None:
        self._arrived.set()
