"""The built-in activity behind `call_http`: sends one HTTP request, without polling after a 202 response.

Source: docs/protocol/durable-actions.md#callhttp
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

import aiohttp
import msgspec

from durable_host.durable.model import identity
from durable_host.durable.model.events import TaskFailed, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.runtime.managed_identity import TokenSource, TokenUnavailable
from durable_host.durable.runtime.response_headers import parsed_values
from durable_host.durable.user_code import ActivityOutcome

DEFAULT_TIMEOUT = 240.0
_CONTENT_HEADERS = frozenset({
    "allow", "content-disposition", "content-encoding", "content-language", "content-length", "content-location",
    "content-md5", "content-range", "content-type", "expires", "last-modified",
})  # fmt: skip


class HttpCallRequest(msgspec.Struct):
    """The request of an orchestrator. `timeout` is a .NET time span."""

    method: str
    uri: str
    content: str | None = None
    headers: dict[str, str | list[str]] | None = None
    token_source: dict[str, Any] | None = msgspec.field(default=None, name="tokenSource")
    timeout: str | None = None


class HttpActivity:
    """Sends requests. They share one client session, which is opened for the first.

    Tests pass a `connector` that redirects some requests.
    """

    def __init__(self, connector: Callable[[], aiohttp.BaseConnector | None] = lambda: None) -> None:
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None
        self._tokens = TokenSource()

    async def run(self, stored_input: str | None, instance_id: str | None = None) -> ActivityOutcome:
        """Send the request. The outcome holds the response as JSON text, or the plain error text."""
        try:
            request = _request_of(stored_input)
        except ValueError as error:
            return ActivityOutcome(error=f"The HTTP request of call_http cannot be read: {error}")
        return await self.answer(request, instance_id)

    async def answer(self, request: HttpCallRequest, instance_id: str | None) -> ActivityOutcome:
        """Send a request of an instance."""
        seconds = _seconds(request.timeout)
        try:
            headers = _headers_of(request)
            if request.token_source is not None:
                token = await self._tokens.bearer(request.token_source)
                headers.append(("Authorization", f"Bearer {token}"))
            return ActivityOutcome(result=await self._send(request, headers, seconds or DEFAULT_TIMEOUT))
        except TimeoutError:
            if seconds is not None:
                return ActivityOutcome(error=f"{request.uri} Reached user specified timeout: {request.timeout}.")
            return ActivityOutcome(
                error=f"The request to {request.uri} received no response within {DEFAULT_TIMEOUT:g} s."
            )
        except aiohttp.InvalidURL:
            return ActivityOutcome(error=f"'{request.uri}' is not an absolute URL of HTTP or HTTPS.")
        except (aiohttp.ClientError, TokenUnavailable, ValueError, OSError) as error:
            return ActivityOutcome(error=str(error) or type(error).__name__)

    def failure(self, request: TaskMessage, outcome: ActivityOutcome, *, now: int) -> TaskMessage:
        """Return a TaskFailed with the plain error text as its reason."""
        scheduled = request.event
        assert isinstance(scheduled, TaskScheduled)
        event = TaskFailed(timestamp=now, task_scheduled_id=scheduled.event_id, reason=outcome.error)
        id = identity.answer_to(request.id)
        return TaskMessage(event=event, target=request.target, sender=request.target, episode=request.episode, id=id)

    async def close(self) -> None:
        await self._tokens.close()
        if self._session is not None:
            await self._session.close()

    async def _send(self, request: HttpCallRequest, headers: list[tuple[str, str]], timeout: float) -> str:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=self._connector(), cookie_jar=aiohttp.DummyCookieJar())
        async with self._session.request(
            request.method.upper(),
            request.uri,
            data=request.content.encode("utf-8", "replace") if request.content is not None else None,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
            skip_auto_headers=("Content-Type",),
        ) as response:
            content = await response.text(errors="replace")
            shown: dict[str, str | list[str]] = {}
            for name in dict.fromkeys(response.headers.keys()):
                if name.lower() not in _CONTENT_HEADERS:
                    values = parsed_values(name, response.headers.getall(name))
                    shown[name] = values[0] if len(values) == 1 else list(values)
            return json.dumps({"statusCode": response.status, "headers": shown, "content": content})


def _request_of(stored_input: str | None) -> HttpCallRequest:
    """Parse the request. Raises ValueError."""
    value: Any = json.loads(stored_input or "null")
    if isinstance(value, list):
        elements = cast("list[Any]", value)
        value = elements[0] if len(elements) == 1 else None
    if isinstance(value, str):
        value = json.loads(value)
    return msgspec.convert(value, HttpCallRequest)


def _headers_of(request: HttpCallRequest) -> list[tuple[str, str]]:
    """Return the headers to send. Raises ValueError for unsupported content."""
    headers: list[tuple[str, str]] = []
    given: Mapping[str, str | list[str]] = request.headers or {}
    has_type = False
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if name.lower() == "content-type":
            has_type = True
            if any("multipart" in one.lower() for one in values):
                raise ValueError("Multipart content is not supported with CallHttpAsync.")
            if request.content is None:
                continue
        headers.extend((name, one) for one in values)
    if request.content is not None and not has_type:
        headers.append(("Content-Type", "text/plain"))
    return headers


def _seconds(text: str | None) -> float | None:
    """Parse `[d.]hh:mm:ss[.fff]` into seconds. Returns None when there is no usable limit."""
    if not text:
        return None
    days, dot, rest = text.partition(".")
    if not dot or ":" in days:
        days, rest = "0", text
    parts = rest.split(":")
    try:
        hours, minutes, seconds = (float(part) for part in parts)
        total = int(days) * 86400 + hours * 3600 + minutes * 60 + seconds
    except ValueError:
        return None
    return total if total > 0 else None
