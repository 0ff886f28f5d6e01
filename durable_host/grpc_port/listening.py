"""Listens for connections, and ends them when it stops."""

import asyncio

from durable_host.grpc_port.grpc_connection import GrpcConnection
from durable_host.grpc_port.grpc_methods import Methods


class GrpcServer:
    """Serves `methods` on every address that it listens on, until `stop`."""

    def __init__(self, methods: Methods) -> None:
        self._methods = methods
        self._connections: set[GrpcConnection] = set()
        self._servers: list[asyncio.Server] = []

    async def listen(self, address: str, port: int) -> int:
        """Listen, and return the port. Port 0 takes a free one. Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: GrpcConnection(self._methods, self._connections), address, port)
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    def close(self) -> list[asyncio.Task[None]]:
        """Stop listening and end all calls with UNAVAILABLE. Return the tasks that are still running. Idempotent."""
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        return [task for connection in list(self._connections) for task in connection.close("The host stops.")]

    async def stop(self, grace: float | None = None) -> None:
        """Accept no more connections, wait up to `grace` seconds for running calls, then end them with UNAVAILABLE."""
        for server in self._servers:
            server.close()
        running = [task for connection in self._connections for task in connection.running]
        if grace and running:
            await asyncio.wait(running, timeout=grace)
        if left := self.close():
            await asyncio.wait(left)
