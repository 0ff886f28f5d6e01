"""A gRPC server on the event loop: HTTP/2 without TLS, for all kinds of methods except client streaming."""

from durable_host.grpc_port.grpc_methods import CallEnded, DuplexCall, DuplexPeer, Metadata, Method, Methods
from durable_host.grpc_port.listening import GrpcServer
from durable_host.grpc_port.status_code import StatusCode

__all__ = ["CallEnded", "DuplexCall", "DuplexPeer", "GrpcServer", "Metadata", "Method", "Methods", "StatusCode"]
