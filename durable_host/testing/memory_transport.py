"""Connections between two protocols of the same event loop, without a socket."""

import asyncio
from collections import deque
from typing import Any

_MOST_UNREAD = 65_536
"""The bytes that may wait for a peer that does not read, before the writer has to wait too."""

Address = tuple[str, int]


class MemoryTransport(asyncio.Transport):
    """One end of a connection; `connect` creates both. What is written arrives in a later turn of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, own: Address, peer: Address) -> None:
        super().__init__({"sockname": own, "peername": peer})
        self._loop = loop
        self._protocol: asyncio.Protocol | None = None
        self._peer: MemoryTransport | None = None
        self._unread: deque[bytes] = deque()
        self._unread_size = 0
        self._is_reading = True
        self._is_scheduled = False
        self._is_closing = False
        self._is_peer_done = False
        self._is_writer_paused = False
        self._error: ConnectionResetError | None = None

    def attach(self, protocol: asyncio.Protocol, peer: "MemoryTransport") -> None:
        """Set both before anything is written."""
        self._protocol, self._peer = protocol, peer

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        self._schedule()

    def write(self, data: Any) -> None:
        if self._is_closing or self._peer is None or not data:
            return
        self._peer._arrive(bytes(data))

    def close(self) -> None:
        """Close this end. The peer first gets everything that was written."""
        if self._is_closing:
            return
        self._is_closing = True
        self._loop.call_soon(self._end)
        if self._peer is not None:
            self._peer._is_peer_done = True
            self._peer._schedule()

    def abort(self) -> None:
        """Close this end. The peer loses what it has not read."""
        if self._peer is not None:
            self._peer._unread.clear()
            self._peer._unread_size = 0
            self._peer._error = ConnectionResetError("The peer has aborted the connection.")
        self.close()

    def _arrive(self, data: bytes) -> None:
        if self._is_closing:
            return
        self._unread.append(data)
        self._unread_size += len(data)
        if self._unread_size > _MOST_UNREAD:
            self._pause_writer()
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled and not self._is_closing:
            self._is_scheduled = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_scheduled = False
        assert self._protocol is not None
        while self._unread and self._is_reading and not self._is_closing:
            data = self._unread.popleft()
            self._unread_size -= len(data)
            self._protocol.data_received(data)
        if not self._unread:
            self._resume_writer()
            if self._is_peer_done and self._is_reading:
                self.close()

    def _pause_writer(self) -> None:
        writer = self._writer()
        if not self._is_writer_paused and writer is not None:
            self._is_writer_paused = True
            writer.pause_writing()

    def _resume_writer(self) -> None:
        writer = self._writer()
        if self._is_writer_paused and writer is not None:
            self._is_writer_paused = False
            writer.resume_writing()

    def _writer(self) -> asyncio.Protocol | None:
        """The protocol at the other end; None if that is closed."""
        peer = self._peer
        return None if peer is None or peer._is_closing else peer._protocol

    def _end(self) -> None:
        assert self._protocol is not None
        self._unread.clear()
        self._unread_size = 0
        self._protocol.connection_lost(self._error)


def connect(client: asyncio.Protocol, server: asyncio.Protocol, *, server_address: Address) -> None:
    """Connect two protocols. Both see loopback addresses, because the other end is on this machine."""
    loop = asyncio.get_running_loop()
    client_address = (server_address[0], 0)
    near = MemoryTransport(loop, client_address, server_address)
    far = MemoryTransport(loop, server_address, client_address)
    near.attach(client, far)
    far.attach(server, near)
    server.connection_made(far)
    client.connection_made(near)
