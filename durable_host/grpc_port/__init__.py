"""A gRPC server on the event loop: HTTP/2 without TLS, for methods with one request and one or many responses."""

from durable_host.grpc_port.grpc_methods import CallEnded, Metadata, Method, Methods
from durable_host.grpc_port.listening import GrpcServer
from durable_host.grpc_port.status_code import StatusCode

__all__ = ["CallEnded", "GrpcServer", "Metadata", "Method", "Methods", "StatusCode"]
