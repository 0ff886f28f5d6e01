"""The protobuf classes of FunctionRpc. Only this module and `proto_text` import protobuf here.

They are built from `FunctionRpc.proto` in a private pool, so that they cannot conflict with other copies of the
protocol. Fields that the host does not use are not in the file; protobuf skips them.

Source: docs/protocol/function-rpc.md#messages
"""

from pathlib import Path
from typing import Any, Final

from durable_host.errors import GrpcMissing

PACKAGE: Final = "AzureFunctionsRpcMessages"
EVENT_STREAM: Final = f"/{PACKAGE}.FunctionRpc/EventStream"
"""The path of the only method."""


try:
    import hpack  # noqa: F401  # pyright: ignore[reportUnusedImport]
    from google.protobuf import descriptor_pool, duration_pb2, message_factory, timestamp_pb2

    from durable_host.function_rpc.proto_text import file_descriptor
except ImportError as error:
    raise GrpcMissing(error) from error


def _classes() -> Any:
    pool = descriptor_pool.DescriptorPool()
    for known in (duration_pb2, timestamp_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    file = file_descriptor(Path(__file__).with_name("FunctionRpc.proto").read_text("utf-8"), "FunctionRpc.proto")
    pool.Add(file)  # pyright: ignore[reportUnknownArgumentType]
    found = pool.FindFileByName(file.name).message_types_by_name
    return {name: message_factory.GetMessageClass(described) for name, described in found.items()}


_CLASSES: Final = _classes()

StreamingMessage: Any = _CLASSES["StreamingMessage"]
"""Everything on the stream. `WhichOneof("content")` names its content; None for one that is empty or unknown."""
BindingInfo: Any = _CLASSES["BindingInfo"]
FunctionLoadRequest: Any = _CLASSES["FunctionLoadRequest"]
RpcHttp: Any = _CLASSES["RpcHttp"]
TypedData: Any = _CLASSES["TypedData"]
