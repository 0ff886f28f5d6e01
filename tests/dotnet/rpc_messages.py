"""All message classes of FunctionRpc, by name, also those that the host does not create: `rpc_messages.RpcLog`."""

from functools import cache
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from durable_host.function_rpc.rpc_messages import StreamingMessage


@cache
def __getattr__(name: str) -> Any:
    described = StreamingMessage.DESCRIPTOR.file.message_types_by_name.get(name)
    if described is None:
        raise AttributeError(name)
    return GetMessageClass(described)
