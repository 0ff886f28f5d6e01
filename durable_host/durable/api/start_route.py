"""The HTTP routes for starting an instance and waiting for its end.

Source: docs/protocol/durable-http-api.md#starting-an-instance, docs/protocol/durable-http-api.md#waiting-for-the-end
"""

import asyncio

from aiohttp import web

from durable_host.durable.api import answers
from durable_host.durable.api.call import ApiCall
from durable_host.durable.api.embedded_json import InvalidJson, checked, embedded
from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.api.status_route import status_body
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import InstanceExists
from durable_host.http_port import wait_disconnected

LONGEST_WAIT = 230.0
"""In seconds: how long Azure's load balancer waits for a response."""

_LONGEST_TIME = 922_337_203_685.0
"""In seconds: the longest duration that .NET can represent."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def start(call: ApiCall, name: str, instance_id: str | None) -> web.Response:
    try:
        text = await call.text()
        input = checked(text) if text.strip() else None
        started = await call.client.start(
            name, instance_id=instance_id, input=input, version=call.query.text("version"), trace=call.trace()
        )
    except InvalidJson as error:
        return answers.bad_json(error)
    except InvalidArgument as error:
        return answers.error(400, str(error), str(error), error.name)
    except InstanceExists as exists:
        return answers.error(409, str(exists))
    _warn(call, name, has_input=input is not None)
    return await started_answer(call, started)


def _warn(call: ApiCall, name: str, *, has_input: bool) -> None:
    """Warn if the start was accepted although its instance would fail in Azure."""
    if call.request.content_length == 0:
        return
    if call.face == "webhook" and call.request.content_type.lower() in _FORMS:
        call.cautions.form_start(name, call.request.content_type)
    elif not has_input:
        call.cautions.blank_start(name)


async def started_answer(call: ApiCall, instance_id: str) -> web.Response:
    """Return the check-status response, or the output if the caller waits for it and it is ready in time.

    A caller waits by giving both times, neither of them negative. No wait is longer than `LONGEST_WAIT`.
    """
    timeout, interval = call.query.seconds("timeout"), call.query.seconds("pollingInterval")
    if timeout is not None and interval is not None and min(timeout, interval) >= 0:
        if max(timeout, interval) > _LONGEST_TIME:
            problem = "TimeSpan overflowed because the duration is too long."
            return answers.error(500, answers.INTERNAL_ERROR, problem, "System.OverflowException")
        if interval > timeout:
            return answers.error(400, f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g}")
        state = await _wait(call, instance_id, min(timeout, LONGEST_WAIT), min(interval, LONGEST_WAIT))
        if state is not None and state.runtime_status is OrchestrationStatus.Completed:
            return answers.json_answer(embedded(state.output))
        if state is not None and state.runtime_status.is_terminal:
            return answers.json_answer(await status_body(call, state))
    urls = call.urls.all_of(instance_id, with_rewind=False)
    return answers.json_answer(urls, 202, {"Location": urls["statusQueryGetUri"], "Retry-After": "10"})


async def _wait(call: ApiCall, instance_id: str, timeout: float, interval: float) -> InstanceState | None:
    """Return the state at the end of the wait, or None if the caller has disconnected."""
    waiting = asyncio.ensure_future(call.client.wait_for_completion(instance_id, timeout, interval))
    lost = asyncio.ensure_future(wait_disconnected(call.request))
    try:
        await asyncio.wait((waiting, lost), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        waiting.cancel()
        lost.cancel()
        await asyncio.gather(waiting, lost, return_exceptions=True)
