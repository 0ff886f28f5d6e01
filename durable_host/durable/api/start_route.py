"""Starting an instance, and waiting for its end.

Source: docs/protocol/durable-http-api.md#starting-an-instance, docs/protocol/durable-http-api.md#waiting-for-the-end
"""

import asyncio

from aiohttp import web

from durable_host.durable.api import answers
from durable_host.durable.api.call import ApiCall
from durable_host.durable.api.embedded_json import InvalidJson, checked, embedded
from durable_host.durable.api.errors import InvalidArgument
from durable_host.durable.api.status_route import status_answer
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import InstanceExists
from durable_host.http_port import wait_lost

LONGEST_WAIT = 230.0
"""Seconds: Azure's load balancer gives no answer more time than that."""


async def start(call: ApiCall, name: str, instance_id: str | None) -> web.Response:
    timeout, interval = call.query.seconds("timeout"), call.query.seconds("pollingInterval")
    body = await call.body()
    try:
        text = checked(body) if body.strip() else None
    except InvalidJson:
        return answers.error(400, answers.ARGUMENT_ERROR, "Invalid JSON content", InvalidArgument.name)
    try:
        started = await call.client.start(
            name, instance_id=instance_id, input=text, version=call.query.text("version"), trace=call.trace()
        )
    except InstanceExists as exists:
        return answers.error(409, str(exists))
    return await started_answer(call, started, timeout, interval)


async def started_answer(
    call: ApiCall, instance_id: str, timeout: float | None, interval: float | None
) -> web.Response:
    """The check-status answer, or the outcome when both times are given and it comes in time. No wait is longer than
    `LONGEST_WAIT`.
    """
    if timeout is not None and interval is not None:
        if interval > timeout:
            raise InvalidArgument(f"Total timeout {timeout:g} should be bigger than retry timeout {interval:g}")
        state = await _wait(call, instance_id, min(timeout, LONGEST_WAIT), min(interval, LONGEST_WAIT))
        if state is not None and state.runtime_status is OrchestrationStatus.Completed:
            return answers.json_answer(embedded(state.output))
        if state is not None and state.runtime_status.is_terminal:
            return status_answer(call, state, call.urls.status(instance_id))
    urls = call.urls.all_of(instance_id, with_rewind=False)
    return answers.json_answer(urls, 202, {"Location": urls["statusQueryGetUri"], "Retry-After": "10"})


async def _wait(call: ApiCall, instance_id: str, timeout: float, interval: float) -> InstanceState | None:
    """The state at the end of the wait; None when the caller has gone away, which ends it."""
    waiting = asyncio.ensure_future(call.client.wait_for_completion(instance_id, timeout, interval))
    lost = asyncio.ensure_future(wait_lost(call.request))
    try:
        await asyncio.wait((waiting, lost), return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    finally:
        waiting.cancel()
        lost.cancel()
        await asyncio.gather(waiting, lost, return_exceptions=True)
