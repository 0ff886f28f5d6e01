"""The operations of workers: fetch work, answer it, or abandon it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from durable_host.durable.proto import pb
from durable_host.durable.sidecar.statuses import CallRefused
from durable_host.durable.sidecar.workers.board import UnknownToken, WorkBoard
from durable_host.durable.sidecar.workers.work import Kind
from durable_host.durable.sidecar.workers.work_stream import WorkStream
from durable_host.grpc_port import StatusCode

ABANDONED_FOR_SECONDS = 0.5
"""A worker that abandons work may be the only one, so it should not get the work again at once."""

_MAX_PARTS = 1_000_000
_TAKES_ANY_SIZE = "grpc-node"
"""Clients of this library accept messages of any length."""


async def work_items(
    board: WorkBoard, request: pb.GetWorkItemsRequest, *, user_agent: str, size_limit: int
) -> AsyncGenerator[bytes]:
    """Yield encoded work for one worker while its call lasts. Its unfinished work then goes to other workers."""
    limit = None if user_agent.startswith(_TAKES_ANY_SIZE) else size_limit
    stream = WorkStream(request, size_limit=limit)
    board.connect(stream)
    try:
        async with aclosing(stream.items()) as items:
            async for item in items:
                yield item
    finally:
        board.disconnect(stream)


def complete_activity(board: WorkBoard, request: pb.ActivityResponse) -> pb.CompleteTaskResponse:
    return _completed(board, request.completionToken, "activity", request)


def complete_entity(board: WorkBoard, request: pb.EntityBatchResult) -> pb.CompleteTaskResponse:
    return _completed(board, request.completionToken, "entity", request)


def complete_orchestrator(board: WorkBoard, request: pb.OrchestratorResponse) -> pb.CompleteTaskResponse:
    """Accept an answer. A long one is sent in parts: all but the last are stored with the work."""
    try:
        work = board.work_of(request.completionToken, "orchestration")
    except UnknownToken as unknown:
        raise _not_found(unknown) from None
    if work is None:
        return pb.CompleteTaskResponse()
    if request.isPartial:
        if not request.chunkIndex.value:
            del work.parts[:]
        if len(work.parts) + len(request.actions) > _MAX_PARTS:
            text = f"An answer may have {_MAX_PARTS} actions."
            raise CallRefused(StatusCode.INVALID_ARGUMENT, text)
        work.parts.extend(request.actions)
        if request.HasField("orchestrationTraceContext"):
            work.trace = request.orchestrationTraceContext
        return pb.CompleteTaskResponse()
    if work.parts and request.chunkIndex.value:
        whole = pb.OrchestratorResponse()
        whole.CopyFrom(request)
        del whole.actions[:]
        whole.actions.extend((*work.parts, *request.actions))
        if work.trace is not None and not request.HasField("orchestrationTraceContext"):
            whole.orchestrationTraceContext.CopyFrom(work.trace)
        request = whole
    return _completed(board, request.completionToken, "orchestration", request)


def abandon(kind: Kind) -> Callable[[WorkBoard, Any], Awaitable[Any]]:
    """Return the operation with which a worker abandons work of a kind. An unknown token is ignored."""
    response: Any = {
        "activity": pb.AbandonActivityTaskResponse,
        "orchestration": pb.AbandonOrchestrationTaskResponse,
        "entity": pb.AbandonEntityTaskResponse,
    }[kind]

    async def operation(board: WorkBoard, request: Any) -> Any:
        work = board.abandon(request.completionToken, kind)
        if work is not None:
            try:
                await asyncio.sleep(ABANDONED_FOR_SECONDS)
            finally:
                board.put_back(work)
        return response()

    return operation


WorkerOperation = Callable[[WorkBoard, Any], Any]
"""Takes a request. Returns the response, or an awaitable for it."""

WORKER_OPERATIONS: Mapping[str, WorkerOperation] = {
    "CompleteActivityTask": complete_activity,
    "CompleteOrchestratorTask": complete_orchestrator,
    "CompleteEntityTask": complete_entity,
    "AbandonTaskActivityWorkItem": abandon("activity"),
    "AbandonTaskOrchestratorWorkItem": abandon("orchestration"),
    "AbandonTaskEntityWorkItem": abandon("entity"),
}


def _completed(board: WorkBoard, token: str, kind: Kind, answer: object) -> pb.CompleteTaskResponse:
    try:
        board.complete(token, kind, answer)
    except UnknownToken as unknown:
        raise _not_found(unknown) from None
    return pb.CompleteTaskResponse()


def _not_found(unknown: UnknownToken) -> CallRefused:
    return CallRefused(StatusCode.NOT_FOUND, str(unknown))
