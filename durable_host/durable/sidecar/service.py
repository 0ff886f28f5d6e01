"""`TaskHubSidecarService`: its methods, and what they have in common.

Source: docs/protocol/durable-grpc.md#client-operations
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NoReturn

import grpc
import grpc.aio

from durable_host.clock import Clock
from durable_host.config.durable import DurableOptions
from durable_host.durable.proto import Empty, pb
from durable_host.durable.sidecar import (
    entity_operations,
    history_chunks,
    hub_operations,
    instance_operations,
    instance_pages,
    purge,
)
from durable_host.durable.sidecar.hubs import SidecarHubs
from durable_host.durable.sidecar.sidecar_call import Operation, SidecarCall
from durable_host.durable.sidecar.statuses import CallRefused, status_of
from durable_host.durable.sidecar.workers.board import WorkBoard
from durable_host.durable.sidecar.workers.operations import WORKER_OPERATIONS, work_items

SERVICE = "TaskHubSidecarService"

_Context = grpc.aio.ServicerContext[Any, Any]


async def _hello(call: SidecarCall, request: Empty) -> Empty:
    return Empty()


_OPERATIONS: Mapping[str, Operation] = {
    "Hello": _hello,
    "StartInstance": instance_operations.start,
    "GetInstance": instance_operations.get,
    "WaitForInstanceStart": instance_operations.wait_for_start,
    "WaitForInstanceCompletion": instance_operations.wait_for_completion,
    "RaiseEvent": instance_operations.raise_event,
    "TerminateInstance": instance_operations.terminate,
    "SuspendInstance": instance_operations.suspend,
    "ResumeInstance": instance_operations.resume,
    "RewindInstance": instance_operations.rewind,
    "RestartInstance": instance_operations.restart,
    "QueryInstances": instance_pages.query,
    "ListInstanceIds": instance_pages.list_ids,
    "PurgeInstances": purge.purge,
    "CreateTaskHub": hub_operations.create,
    "DeleteTaskHub": hub_operations.delete,
    "SignalEntity": entity_operations.signal,
    "GetEntity": entity_operations.get,
    "QueryEntities": entity_operations.query,
    "CleanEntityStorage": entity_operations.clean,
}
_READS = frozenset(
    (
        "Hello", "GetInstance", "WaitForInstanceStart", "WaitForInstanceCompletion", "QueryInstances",
        "ListInstanceIds", "GetEntity", "QueryEntities", "StreamInstanceHistory",
    )
)  # fmt: skip


class SidecarService:
    """The methods of the service for the hubs in `hubs`.

    `board` has the work of the hub that this host serves. It is None if the functions run in workers of this host.
    """

    def __init__(
        self, hubs: SidecarHubs, options: DurableOptions, clock: Clock, board: WorkBoard | None = None
    ) -> None:
        self._hubs = hubs
        self._board = board
        self._options = options
        self._clock = clock

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the handler for a gRPC server. It has every method of the service; those not implemented say so."""
        described = pb.DESCRIPTOR.services_by_name[SERVICE].methods
        return grpc.method_handlers_generic_handler(SERVICE, {one.name: self._method(one) for one in described})

    def _method(self, described: Any) -> Any:
        name: str = described.name
        coding = {
            "request_deserializer": message_class(described.input_type).FromString,
            "response_serializer": message_class(described.output_type).SerializeToString,
        }
        if name == "StreamInstanceHistory":
            return grpc.unary_stream_rpc_method_handler(self._stream_history, **coding)
        if name == "GetWorkItems":
            return grpc.unary_stream_rpc_method_handler(self._stream_work, **coding)
        operation = _OPERATIONS.get(name) or self._worker_operation(name)
        if operation is None:
            return grpc.unary_unary_rpc_method_handler(_unimplemented(name), **coding)

        async def answer(request: Any, context: _Context) -> Any:
            return await self._answer(name, operation, request, context)

        return grpc.unary_unary_rpc_method_handler(answer, **coding)

    async def _answer(self, name: str, operation: Operation, request: Any, context: _Context) -> Any:
        try:
            if name not in WORKER_OPERATIONS:
                self._check_size(request)
            async with self._hubs.client(_metadata(context), must_exist=name != "CreateTaskHub") as (client, is_own):
                return await operation(SidecarCall(client, self._options, self._clock, is_own), request)
        except Exception as error:
            await _end(context, name, error)

    def _worker_operation(self, name: str) -> Operation | None:
        operation = WORKER_OPERATIONS.get(name)
        if operation is None:
            return None

        async def with_board(call: SidecarCall, request: Any) -> Any:
            return await operation(self._board_of(call), request)

        return with_board

    def _board_of(self, call: SidecarCall) -> WorkBoard:
        if self._board is None:
            text = "This host runs a function app and does not accept other workers. 'func durable serve' does."
            raise CallRefused(grpc.StatusCode.UNIMPLEMENTED, text)
        if not call.is_own_hub:
            text = f"Workers can only use the task hub '{self._options.hub_name}'."
            raise CallRefused(grpc.StatusCode.NOT_FOUND, text)
        return self._board

    async def _stream_work(self, request: Any, context: _Context) -> AsyncIterator[Any]:
        headers = _metadata(context)
        try:
            async with self._hubs.client(headers) as (client, is_own):
                board = self._board_of(SidecarCall(client, self._options, self._clock, is_own))
                agent, limit = headers.get("user-agent", ""), self._options.max_grpc_message_size
                async for item in work_items(board, request, user_agent=agent, size_limit=limit):
                    yield item
        except Exception as error:
            await _end(context, "GetWorkItems", error)

    async def _stream_history(self, request: Any, context: _Context) -> AsyncIterator[Any]:
        try:
            async with self._hubs.client(_metadata(context)) as (client, is_own):
                call = SidecarCall(client, self._options, self._clock, is_own)
                if request.forWorkItemProcessing:
                    turn = self._board_of(call).turn_of(request.instanceId)
                    if turn is None:
                        text = f"No worker currently has a turn of the instance '{request.instanceId}'."
                        raise CallRefused(grpc.StatusCode.NOT_FOUND, text)
                    for chunk in history_chunks.chunks(turn.past):
                        yield chunk
                    return
                async for chunk in history_chunks.stream(call, request):
                    yield chunk
        except Exception as error:
            await _end(context, "StreamInstanceHistory", error)

    def _check_size(self, request: Any) -> None:
        size, limit = request.ByteSize(), self._options.max_grpc_message_size
        if size > limit:
            raise CallRefused(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"The message has {size} bytes, but the limit is {limit}. Send less, or raise "
                "maxGrpcMessageSizeInBytes in extensions.durableTask of host.json.",
            )


async def _end(context: _Context, name: str, error: Exception) -> NoReturn:
    """End the call with the status of `error`."""
    await context.abort(*status_of(name, error, is_repeatable=name in _READS))
    raise AssertionError("abort raises")


def _unimplemented(name: str) -> Callable[[Any, _Context], Any]:
    async def refuse(request: Any, context: _Context) -> NoReturn:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"This host does not implement {name}.")
        raise AssertionError("abort raises")

    return refuse


def _metadata(context: _Context) -> dict[str, str]:
    return {key.lower(): value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def message_class(described: Any) -> Any:
    """Return the class of a message."""
    return Empty if described.full_name == Empty.DESCRIPTOR.full_name else getattr(pb, described.name)
