"""The webhook to which Event Grid posts a function's events: `POST /runtime/webhooks/EventGrid?functionName=NAME`.

It responds when the functions have run, so that Event Grid redelivers failed events. The host stores no events.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from aiohttp import web

from durable_host.errors import HostError
from durable_host.http_port import read_body
from durable_host.invocation.errors import FunctionFailed, WorkerLost
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.redaction import redacted
from durable_host.triggers.event_grid.posted_events import Event, events_of, validation_code
from durable_host.triggers.event_grid.trigger import invoke_event

_log = logging.getLogger("Host.Triggers.EventGrid")

EVENT_GRID_PATH: Final = "/runtime/webhooks/eventgrid"
_AT_ONCE: Final = 100


class EventGridWebhook:
    """Handles events for the served functions, which it finds by name."""

    def __init__(self, functions: Iterable[FunctionMetadata], invoker: Invoker) -> None:
        self._functions = {function.name.lower(): function for function in functions}
        self._invoker = invoker

    async def handle(self, request: web.Request) -> web.Response:
        """Respond with 202 when all events are done, 200 to a handshake, 500 if a function fails; 400, 404, 405."""
        name = next((value for key, value in request.query.items() if key.lower() == "functionname"), "")
        if request.method == "OPTIONS":  # the handshake of CloudEvents
            origin = request.headers.get("WebHook-Request-Origin")
            headers = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"} if origin else {"Allow": "POST"}
            return web.Response(headers=headers)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST, OPTIONS"})
        function = self._functions.get(name.lower())
        if function is None:
            known = ", ".join(sorted(one.name for one in self._functions.values()))
            return _refused(404, f"cannot find function: '{name}'. Functions with an Event Grid trigger: {known}.")
        kind = request.headers.get("aeg-event-type", "").casefold()
        if kind == "unsubscribe":
            return web.Response(status=202)
        try:
            events = events_of(await read_body(request))
        except ValueError as error:
            return _refused(400, f"The events in the body cannot be accepted: {error}.")
        code = validation_code(events)
        if kind == "subscriptionvalidation" or code is not None:
            if code is None:
                return _refused(400, "The body holds no validation code.")
            _log.info("Event Grid validated the endpoint of '%s'.", function.name)
            return web.json_response({"validationResponse": code})
        if kind != "notification":
            return _refused(400, "The header 'aeg-event-type' is not Notification or SubscriptionValidation.")
        failure = await self._run(function, events)
        return web.Response(status=202) if failure is None else _refused(500, failure)

    async def _run(self, function: FunctionMetadata, events: Sequence[Event]) -> str | None:
        """Run the function for each event and return the first error, or None. The invoker has logged all errors."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(event: Event) -> str | None:
            async with slots:
                return await self._call(function, event)

        failures = await asyncio.gather(*(one(event) for event in events))
        return next((failure for failure in failures if failure is not None), None)

    async def _call(self, function: FunctionMetadata, event: Event) -> str | None:
        try:
            await invoke_event(self._invoker, function, event)
        except (FunctionFailed, WorkerLost, HostError) as error:
            return str(error)
        return None


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"Message": redacted(text)}, status=status)
