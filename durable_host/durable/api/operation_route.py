"""The HTTP routes of operations on one instance. Source: docs/protocol/durable-http-api.md#operations-on-an-instance"""

from aiohttp import web

from durable_host.durable.api import answers
from durable_host.durable.api.call import ApiCall
from durable_host.durable.api.embedded_json import InvalidJson, compact
from durable_host.durable.api.errors import InstanceNotFound, InvalidArgument, InvalidInstanceId, NotFailed
from durable_host.durable.api.start_route import started_answer
from durable_host.durable.taskhub.port import InstanceExists

REASON_OPERATIONS = frozenset({"terminate", "suspend", "resume"})
_UNKNOWN = "InstanceId does not match a valid orchestration instance."
_NO_NEW_ID = "A new orchestration instance ID must be provided."
_TAKEN = "A non-terminal instance with this instance ID already exists."


async def raise_event(call: ApiCall, instance_id: str, event_name: str) -> web.Response:
    """Send an event. The instance is checked before the body."""
    await call.client.require_unended(instance_id)
    if call.request.content_type.lower() != "application/json":
        return answers.error(400, "Only application/json request content is supported")
    try:
        data = compact(await call.text())
    except InvalidJson as error:
        return answers.bad_json(error)
    await call.client.send_event(instance_id, event_name, data)
    return answers.empty(202)


async def with_reason(call: ApiCall, instance_id: str, operation: str) -> web.Response:
    """Terminate, suspend or resume an instance. `operation` is in lower case."""
    client = call.client
    operations = {"terminate": client.terminate, "suspend": client.suspend, "resume": client.resume}
    await operations[operation](instance_id, call.query.text("reason"))
    return answers.empty(202)


async def rewind(call: ApiCall, instance_id: str) -> web.Response:
    try:
        await call.client.rewind(instance_id, call.query.text("reason"))
    except InstanceNotFound:
        return answers.json_answer(f'No orchestration with instance ID "${instance_id}" found.', 404)
    except NotFailed as error:
        return answers.json_answer(str(error), 412)
    return answers.empty(202)


async def restart(call: ApiCall, instance_id: str) -> web.Response:
    new_id = None if call.query.flag("restartWithNewInstanceId", True) else instance_id
    return await _restart(call, instance_id, new_id)


async def restart_with_options(call: ApiCall, instance_id: str) -> web.Response:
    """Restart an instance with an ID, and optionally a version, from the caller."""
    new_id = call.query.text("newInstanceId")
    if not new_id or not new_id.strip():
        return answers.error(400, _NO_NEW_ID)
    return await _restart(call, instance_id, new_id, call.query.text("version") or None)


async def _restart(call: ApiCall, instance_id: str, new_id: str | None, version: str | None = None) -> web.Response:
    try:
        started = await call.client.restart(instance_id, new_id=new_id, version=version)
    except InstanceNotFound as error:
        return answers.error(400, _UNKNOWN, f"{error} (Parameter 'instanceId')", InvalidArgument.name)
    except InstanceExists as error:
        return answers.error(409, _TAKEN, str(error), InvalidArgument.name)
    except InvalidInstanceId as error:
        return answers.error(400, error.rule)
    except InvalidArgument as error:
        return answers.error(400, str(error))
    return await started_answer(call, started)
