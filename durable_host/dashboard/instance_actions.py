"""Actions on instances and entities: each is an operation of the durable client."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec

from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import (
    INVALID,
    DashboardError,
    ErrorReport,
    as_dashboard_error,
    details_of,
    instance_not_found,
)
from durable_host.dashboard.endpoint import Endpoint
from durable_host.durable.api import DurableClient

MOST_IDS = 500
_AT_ONCE = 8
REASON = "Requested on the dashboard."

InstanceId = Annotated[str, msgspec.Meta(min_length=1)]


class StartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`input` is JSON text; an ID is created if there is none."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    id: InstanceId | None = None
    input: str | None = None
    version: str | None = None


class IdAnswer(msgspec.Struct, frozen=True):
    """The instance that was started."""

    id: str


class DoneAnswer(msgspec.Struct, frozen=True):
    """The request was accepted. The page learns from the changes when it has taken effect."""

    ok: bool = True


class EventBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data` is JSON text; without it, the event has the data `null`."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    data: str | None = None


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, for the history."""

    reason: str | None = None


class TerminateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`recurse` terminates children too."""

    reason: str | None = None
    recurse: bool = False


class RestartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Without `with_new_id`, the ended instance is replaced."""

    with_new_id: bool = True


class BatchBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One action on several instances."""

    action: Literal["terminate", "suspend", "resume", "purge", "restart"]
    ids: Annotated[list[InstanceId], msgspec.Meta(max_length=MOST_IDS)]
    reason: str | None = None


class BatchResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one instance."""

    id: str
    ok: bool
    error: ErrorReport | None = None


class BatchAnswer(msgspec.Struct, frozen=True):
    """One result per instance, in the order of the request."""

    results: list[BatchResult]


class SignalBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`input` is JSON text."""

    operation: Annotated[str, msgspec.Meta(min_length=1)]
    input: str | None = None


async def start(call: DashboardCall[NoParameters, StartBody]) -> IdAnswer:
    """Start an instance."""
    body = call.body
    input_text = json_text(body.input, "input")
    return IdAnswer(await call.hub.client.start(body.name, instance_id=body.id, input=input_text, version=body.version))


async def raise_event(call: DashboardCall[NoParameters, EventBody]) -> DoneAnswer:
    """Send an event to an instance."""
    await call.hub.client.raise_event(call.path["id"], call.body.name, json_text(call.body.data, "data"))
    return DoneAnswer()


async def terminate(call: DashboardCall[NoParameters, TerminateBody]) -> DoneAnswer:
    """Terminate an instance."""
    await call.hub.client.terminate(call.path["id"], call.body.reason or REASON, recurse=call.body.recurse)
    return DoneAnswer()


async def suspend(call: DashboardCall[NoParameters, ReasonBody]) -> DoneAnswer:
    """Suspend an instance."""
    await call.hub.client.suspend(call.path["id"], call.body.reason or REASON)
    return DoneAnswer()


async def resume(call: DashboardCall[NoParameters, ReasonBody]) -> DoneAnswer:
    """Resume an instance."""
    await call.hub.client.resume(call.path["id"], call.body.reason or REASON)
    return DoneAnswer()


async def rewind(call: DashboardCall[NoParameters, ReasonBody]) -> DoneAnswer:
    """Run the failed steps of an instance again."""
    await call.hub.client.rewind(call.path["id"], call.body.reason or REASON)
    return DoneAnswer()


async def restart(call: DashboardCall[NoParameters, RestartBody]) -> IdAnswer:
    """Start the same orchestrator with the same input."""
    new_id = None if call.body.with_new_id else call.path["id"]
    return IdAnswer(await call.hub.client.restart(call.path["id"], new_id=new_id))


async def purge(call: DashboardCall[NoParameters, None]) -> DoneAnswer:
    """Delete an instance that has ended."""
    await _purge(call.hub.client, call.path["id"])
    return DoneAnswer()


async def batch(call: DashboardCall[NoParameters, BatchBody]) -> BatchAnswer:
    """Do the same with several instances; some may fail."""
    body, client = call.body, call.hub.client
    reason = body.reason or REASON
    actions: Mapping[str, Callable[[str], Awaitable[object]]] = {
        "terminate": lambda one: client.terminate(one, reason),
        "suspend": lambda one: client.suspend(one, reason),
        "resume": lambda one: client.resume(one, reason),
        "restart": client.restart,
        "purge": lambda one: _purge(client, one),
    }
    slots = asyncio.Semaphore(_AT_ONCE)

    async def do(instance_id: str) -> BatchResult:
        async with slots:
            return await _result(actions[body.action], instance_id)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(do(one)) for one in body.ids]
    return BatchAnswer([task.result() for task in tasks])


def entity_key(text: str) -> str:
    """Return the key that a path names: `$` is the empty key, and keys of dollar signs have one more than they are."""
    return text[1:] if text and not text.strip("$") else text


async def signal(call: DashboardCall[NoParameters, SignalBody]) -> DoneAnswer:
    """Send an operation to an entity."""
    body = call.body
    key = entity_key(call.path["key"])
    await call.hub.client.entities.signal(call.path["name"], key, body.operation, json_text(body.input, "input"))
    return DoneAnswer()


async def _purge(client: DurableClient, instance_id: str) -> None:
    if not await client.purge(instance_id):
        raise instance_not_found(instance_id)


async def _result(action: Callable[[str], Awaitable[object]], instance_id: str) -> BatchResult:
    try:
        await action(instance_id)
    except Exception as error:
        known = as_dashboard_error(error)
        if known is None:
            raise
        return BatchResult(instance_id, False, details_of(known))
    return BatchResult(instance_id, True)


def json_text(text: str | None, member: str) -> str | None:
    """JSON text of a request; empty text counts as none. Raises DashboardError if it is not JSON."""
    if text is None or not text.strip():
        return None
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise DashboardError(
            400,
            f"'{member}' is not JSON: {error}",
            code=INVALID,
            remedy='Write JSON in a string. A JSON string keeps its own quotation marks: "\\"yes\\"".',
        ) from None
    return text


def _on_instance(name: str, summary: str, answer: Any, body: type[Any], returns: Any = DoneAnswer) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"/instances/{{id}}/{name}",
        summary=summary,
        answer=answer,
        body=body,
        returns=returns,
        errors=(404, 410),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/instances",
        summary="Start an instance",
        answer=start,
        body=StartBody,
        returns=IdAnswer,
        status=201,
    ),
    Endpoint(
        method="POST",
        path="/batch",
        summary=f"One action on up to {MOST_IDS} instances",
        answer=batch,
        body=BatchBody,
        returns=BatchAnswer,
    ),
    _on_instance("raise-event", "Send an event to an instance", raise_event, EventBody),
    _on_instance("terminate", "Terminate an instance", terminate, TerminateBody),
    _on_instance("suspend", "Suspend an instance", suspend, ReasonBody),
    _on_instance("resume", "Resume an instance", resume, ReasonBody),
    _on_instance("rewind", "Run the failed steps of an instance again", rewind, ReasonBody),
    _on_instance("restart", "Start the same again", restart, RestartBody, IdAnswer),
    Endpoint(
        method="DELETE",
        path="/instances/{id}",
        summary="Purge an instance that has ended",
        answer=purge,
        returns=DoneAnswer,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/entities/{name}/{key}/signal",
        summary="Send an operation to an entity; $ is an empty key, $$ the key $",
        answer=signal,
        body=SignalBody,
        returns=DoneAnswer,
    ),
)
