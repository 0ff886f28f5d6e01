"""The protobuf classes of the Durable Task protocol, used by apps of the 2.x SDK and by plain workers.

`pb` contains the messages, `service` the stubs of clients. They come from the `durabletask` package: its
messages have no package name, so a second copy could not be loaded next to that SDK. Only this module imports
`durabletask`, and only code that serves such apps imports this module, because gRPC adds to the start-up time.
"""

from durable_host.errors import GrpcMissing

try:
    import hpack  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from durabletask.internal import orchestrator_service_pb2 as pb
    from durabletask.internal import orchestrator_service_pb2_grpc as service
    from google.protobuf.empty_pb2 import Empty
    from google.protobuf.timestamp_pb2 import Timestamp
    from google.protobuf.wrappers_pb2 import BoolValue, Int32Value, StringValue
except ImportError as error:
    raise GrpcMissing(error) from error

__all__ = [
    "BoolValue",
    "Empty",
    "Int32Value",
    "StringValue",
    "Timestamp",
    "pb",
    "service",
]
