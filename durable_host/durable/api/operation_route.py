"""Operations on one instance. Source: spec/durable-protocol.md, section 8.6."""

from collections.abc import Awaitable

from aiohttp import web

from durable_host.durable.api import answers
from durable_host.durable.api.call import Call
from durable_host.durable.api.errors import InstanceEnded, InstanceNotFound, WrongState
from durable_host.durable.api.json_text import InvalidJson, compact
from durable_host.durable.api.start_route import started_answer
from durable_host.durable.taskhub.port import InstanceExists

REASON_OPERATIONS = frozenset({"terminate", "suspend", "resume", "rewind"})


async def raise_event(call: Call, instance_id: str, event_name: str) -> web.Response:
    if call.request.content_type.lower() != "application/json":
        return answers.error(400, "Only application/json request content is supported")
    try:
        data = compact(await call.body())
    except InvalidJson as error:
        return answers.error(400, "Invalid JSON content", str(error), "Newtonsoft.Json.JsonReaderException")
    return await _accepted(call.client.raise_event(instance_id, event_name, data))


async def with_reason(call: Call, instance_id: str, operation: str) -> web.Response:
    """Terminate, suspend, resume or rewind; `operation` is in lower case."""
    client = call.client
    reason = call.query.text("reason")
    operations = {
        "terminate": client.terminate,
        "suspend": client.suspend,
        "resume": client.resume,
        "rewind": client.rewind,
    }
    return await _accepted(operations[operation](instance_id, reason))


async def restart(call: Call, instance_id: str) -> web.Response:
    timeout, interval = call.query.seconds("timeout"), call.query.seconds("pollingInterval")
    with_new_id = call.query.flag("restartWithNewInstanceId", True)
    try:
        started = await call.client.restart(instance_id, with_new_id=with_new_id)
    except InstanceExists:
        return answers.error(409, "A non-terminal instance with this instance ID already exists.")
    return await started_answer(call, started, timeout, interval)


async def _accepted(operation: Awaitable[None]) -> web.Response:
    try:
        await operation
    except InstanceNotFound:
        return answers.empty(404)
    except InstanceEnded:
        return answers.empty(410)
    except WrongState as error:
        return answers.error(500, answers.INTERNAL_ERROR, str(error), error.name)
    return answers.empty(202)
