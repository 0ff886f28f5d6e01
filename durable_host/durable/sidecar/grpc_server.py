"""The gRPC server. It listens on loopback only."""

import logging
import socket

import grpc.aio

from durable_host.config import ports
from durable_host.durable.sidecar.service import SidecarService

_log = logging.getLogger("Host.Triggers.DurableTask")

ADDRESS = "127.0.0.1"
_LARGEST_MESSAGE = 256 * 1024 * 1024
"""In bytes. The service itself rejects smaller messages of clients with a text; those of workers may be larger."""

_OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
    ("grpc.max_send_message_length", -1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


class SidecarListener:
    """Listens from `start` to `stop`. `port` 0 uses a free port, the same on both loopback addresses if possible."""

    def __init__(self, service: SidecarService, port: int = 0) -> None:
        self._service = service
        self._wanted = port
        self._port: int | None = None
        self._server: grpc.aio.Server | None = None

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
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((self._service.handler(),))
        try:
            port = server.add_insecure_port(f"{ADDRESS}:{self._wanted}")
        except RuntimeError as error:
            raise ports.port_error(ADDRESS, self._wanted, OSError(str(error))) from error
        if socket.has_ipv6 and ports.unavailable("::1", port) is None:
            server.add_insecure_port(f"[::1]:{port}")
        await server.start()
        self._server, self._port = server, port
        _log.info("Opened local gRPC endpoint: %s", self.url)

    async def stop(self, grace: float | None = None) -> None:
        """Let running calls finish for `grace` seconds, then cancel them. Idempotent."""
        server, self._server = self._server, None
        self._port = None
        if server is not None:
            await server.stop(grace)
