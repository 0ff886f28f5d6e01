"""`TaskHubSidecarService`: its methods, and what they have in common.

Source: docs/protocol/durable-grpc.md#client-operations
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any, NoReturn

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
from durable_host.durable.sidecar.served_hubs import ServedHubs
from durable_host.durable.sidecar.sidecar_call import Operation, SidecarCall
from durable_host.durable.sidecar.statuses import CallRefused, status_of
from durable_host.durable.sidecar.workers.board import WorkBoard
from durable_host.durable.sidecar.workers.encoded_history import past_events
from durable_host.durable.sidecar.workers.operations import WORKER_OPERATIONS, WorkerOperation, work_items
from durable_host.grpc_port import CallEnded, Metadata, Method, StatusCode

SERVICE = "TaskHubSidecarService"
_DOTNET_CLIENT = "grpc-dotnet/"
"""How the user agent of clients begins that repeat calls which end with RESOURCE_EXHAUSTED."""


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
_OF_SERVED_HUBS: Mapping[str, Callable[[ServedHubs, str, Any], Awaitable[Any]]] = {
    "CreateTaskHub": hub_operations.create_served,
    "DeleteTaskHub": hub_operations.delete_served,
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

    def methods(self) -> dict[str, Method]:
        """Return the methods for a gRPC server: every method of the service; those not implemented say so."""
        described = pb.DESCRIPTOR.services_by_name[SERVICE].methods
        return {f"/{SERVICE}/{one.name}": self._method(one) for one in described}

    def _method(self, described: Any) -> Method:
        name: str = described.name
        read: Callable[[bytes], Any] = message_class(described.input_type).FromString
        write: Callable[[Any], bytes] = message_class(described.output_type).SerializeToString
        if name == "StreamInstanceHistory":
            return Method(read, write, stream=self._stream_history)
        if name == "GetWorkItems":
            return Method(read, bytes, stream=self._stream_work)  # Work items come encoded.
        if name in WORKER_OPERATIONS:
            return Method(read, write, answer=partial(self._answer_worker, WORKER_OPERATIONS[name]))
        if name in _OPERATIONS:
            return Method(read, write, answer=partial(self._answer, name, _OPERATIONS[name]))
        return Method(read, write, answer=partial(_refuse, name))

    async def _answer(self, name: str, operation: Operation, request: Any, metadata: Metadata) -> Any:
        try:
            self._check_size(request, metadata)
            served, hub = self._hubs.served, self._hubs.served_name(metadata)
            if served is not None and hub is not None and name in _OF_SERVED_HUBS:
                return await _OF_SERVED_HUBS[name](served, hub, request)
            async with self._hubs.client(metadata, must_exist=name != "CreateTaskHub") as (client, is_own):
                return await operation(SidecarCall(client, self._options, self._clock, is_own), request)
        except Exception as error:
            raise _ended(name, error) from error

    def _answer_worker(self, operation: WorkerOperation, request: Any, metadata: Metadata) -> Any:
        try:
            return operation(self._board_of(metadata), request)
        except CallRefused as refused:
            raise CallEnded(refused.code, str(refused)) from refused

    def _board_of(self, metadata: Metadata) -> WorkBoard:
        if self._hubs.served is not None:
            name = self._hubs.served_name(metadata)
            found = None if name is None else self._hubs.served.get(name)
            if found is None:
                raise CallRefused(StatusCode.NOT_FOUND, f"This host does not serve the task hub '{name or ''}'.")
            return found.board
        if self._board is None:
            text = "This host runs a function app and does not accept other workers. 'func durable serve' does."
            raise CallRefused(StatusCode.UNIMPLEMENTED, text)
        if not self._hubs.are_own(metadata):
            text = f"Workers can only use the task hub '{self._options.hub_name}'."
            raise CallRefused(StatusCode.NOT_FOUND, text)
        return self._board

    async def _stream_work(self, request: Any, metadata: Metadata) -> AsyncIterator[Any]:
        try:
            name = self._hubs.served_name(metadata)
            if self._hubs.served is not None and name is not None:
                await self._hubs.served.open(name)
            board = self._board_of(metadata)
            agent, limit = metadata.get("user-agent", ""), self._options.max_grpc_message_size
            async with aclosing(work_items(board, request, user_agent=agent, size_limit=limit)) as items:
                async for item in items:
                    yield item
        except Exception as error:
            raise _ended("GetWorkItems", error) from error

    async def _stream_history(self, request: Any, metadata: Metadata) -> AsyncIterator[Any]:
        try:
            if request.forWorkItemProcessing:
                turn = self._board_of(metadata).turn_of(request.instanceId)
                if turn is None:
                    text = f"No worker currently has a turn of the instance '{request.instanceId}'."
                    raise CallRefused(StatusCode.NOT_FOUND, text)
                for chunk in history_chunks.chunks(past_events(turn.past)):
                    yield chunk
                return
            async with self._hubs.client(metadata) as (client, is_own):
                call = SidecarCall(client, self._options, self._clock, is_own)
                async for chunk in history_chunks.stream(call, request):
                    yield chunk
        except Exception as error:
            raise _ended("StreamInstanceHistory", error) from error

    def _check_size(self, request: Any, metadata: Metadata) -> None:
        size, limit = request.ByteSize(), self._options.max_grpc_message_size
        if size > limit:
            repeats = metadata.get("user-agent", "").startswith(_DOTNET_CLIENT)
            raise CallRefused(
                StatusCode.INVALID_ARGUMENT if repeats else StatusCode.RESOURCE_EXHAUSTED,
                f"The message has {size} bytes, but the limit is {limit}. Send less, or raise "
                "maxGrpcMessageSizeInBytes in extensions.durableTask of host.json.",
            )


def _ended(name: str, error: Exception) -> CallEnded:
    """Return the call's end with the status of `error`."""
    return CallEnded(*status_of(name, error, is_repeatable=name in _READS))


def _refuse(name: str, request: Any, metadata: Metadata) -> NoReturn:
    raise CallEnded(StatusCode.UNIMPLEMENTED, f"This host does not implement {name}.")


def message_class(described: Any) -> Any:
    """Return the class of a message."""
    return Empty if described.full_name == Empty.DESCRIPTOR.full_name else getattr(pb, described.name)
