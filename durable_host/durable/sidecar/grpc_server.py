"""The gRPC server of a task hub. It listens on loopback only."""

import logging
import socket

from durable_host import ports
from durable_host.durable.sidecar.service import SidecarService
from durable_host.grpc_port import GrpcServer

_log = logging.getLogger("Host.Triggers.DurableTask")

ADDRESS = "127.0.0.1"


class SidecarListener:
    """Listens from `start` to `stop`. `port` 0 uses a free port, the same on both loopback addresses if possible."""

    def __init__(self, service: SidecarService, port: int = 0) -> None:
        self._service = service
        self._wanted = port
        self._port: int | None = None
        self._server: GrpcServer | None = None

    @property
    def port(self) -> int:
        """The port of the endpoint. Raises RuntimeError before `start`."""
        if self._port is None:
            raise RuntimeError("the gRPC endpoint is not listening")
        return self._port

    @property
    def url(self) -> str:
        """The address that clients connect to."""
        return f"http://{ADDRESS}:{self.port}"

    async def start(self) -> None:
        """Start listening. Raises PortError."""
        if self._wanted:
            ports.check(ADDRESS, self._wanted)
        server = GrpcServer(self._service.methods())
        try:
            port = await server.listen(ADDRESS, self._wanted)
        except OSError as error:
            raise ports.port_error(ADDRESS, self._wanted, error) from error
        if socket.has_ipv6 and ports.unavailable("::1", port) is None:
            await server.listen("::1", port)
        self._server, self._port = server, port
        _log.info("Opened local gRPC endpoint: %s", self.url)

    async def stop(self, grace: float | None = None) -> None:
        """Let running calls finish for `grace` seconds, then cancel them. Idempotent."""
        server, self._server = self._server, None
        self._port = None
        if server is not None:
            await server.stop(grace)
