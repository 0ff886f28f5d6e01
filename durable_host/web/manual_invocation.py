"""Manual invocation: `POST /admin/functions/{name}`.

An empty body is accepted, and `?wait=true` returns the outcome.

Source: docs/protocol/functions-host-admin.md#manual-invocation
"""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import msgspec
from aiohttp import web

from durable_host.errors import HostError
from durable_host.http_port import read_body
from durable_host.invocation.datum import Datum
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invocation_log import CALLED
from durable_host.invocation.invoker import Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.redaction import redacted
from durable_host.web.function_json import DescribedFunction

_log = logging.getLogger("Host.Startup")

REASON = CALLED
_STARTED_BY_CLIENTS = frozenset({"orchestrationtrigger", "entitytrigger"})
NOT_BY_HAND = "DH5032"
_NOT_BY_HAND = (
    "{code}: The {kind} '{name}' was not run by hand: Azure accepts such a request too, and the call fails there. "
    "{remedy}"
)
_REMEDIES = {
    "orchestrationtrigger": "Start it with its client, or with 'func durable start-new --function-name {name}'.",
    "entitytrigger": "Signal it with its client, or with POST /runtime/webhooks/durabletask/entities/{name}/<key>.",
}


class NotJson(Exception):
    """The content type of the body is not JSON."""


class Start(Protocol):
    """Runs a function like its trigger, with `text` instead of the data that the trigger receives."""

    async def __call__(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome: ...


class ManualOutcome(msgspec.Struct, frozen=True):
    """What came of a call: the returned value as text, or the error."""

    seconds: float
    result: str | None
    error: str | None


class ManualInvocation:
    """Runs functions by hand. Owns the calls that nobody waits for."""

    def __init__(self) -> None:
        self._starts: Mapping[str, Start] = {}
        self._running: set[asyncio.Task[Outcome]] = set()

    def adopt(self, starts: Mapping[str, Start]) -> None:
        """Use these starts from now on; the keys are trigger types in lower case."""
        self._starts = starts

    async def handle(self, request: web.Request, function: DescribedFunction) -> web.Response:
        """202, or with `?wait=true` 200 and the outcome. 202 also for orchestrations and entities, which do not run."""
        try:
            text = await _input(request)
        except NotJson:
            return web.Response(status=415)
        except ValueError as error:
            return web.json_response({"Message": str(error)}, status=400)
        metadata = function.metadata
        start = (
            self._starts.get(metadata.trigger.type.lower()) if metadata is not None and not function.errors else None
        )
        is_awaited = request.query.get("wait", "").lower() in ("true", "1")
        if start is None and metadata is not None and not function.errors and not is_awaited:
            kind = metadata.trigger.type.lower()
            if kind in _STARTED_BY_CLIENTS:
                _report_not_by_hand(function.name, kind)
                return web.Response(status=202)
        if metadata is None or start is None:
            return web.json_response(
                {"Message": f"The function '{function.name}' cannot be invoked by hand."}, status=400
            )
        invocation_id = str(uuid.uuid4())
        task = self._run(start, metadata, text, invocation_id)
        if not is_awaited:
            return web.Response(status=202)
        return await _outcome(task, invocation_id)

    def can_run(self, function: FunctionMetadata) -> bool:
        """Whether functions with this trigger can be run by hand. Orchestrations and entities cannot."""
        return function.trigger.type.lower() in self._starts

    async def run(self, function: DescribedFunction, text: str) -> "ManualOutcome":
        """Run a function that `can_run` accepts, and wait for its outcome."""
        metadata = function.metadata
        assert metadata is not None
        began = time.monotonic()
        task = self._run(self._starts[metadata.trigger.type.lower()], metadata, text, str(uuid.uuid4()))
        result = error = None
        try:
            outcome = await asyncio.shield(task)
        except (FunctionFailed, HostError) as failure:
            stack = failure.stack if isinstance(failure, FunctionFailed) else ""
            error = redacted("\n".join(filter(None, (str(failure), stack))))
        else:
            value = None if outcome.return_value is None else plain_value(outcome.return_value)
            result = value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return ManualOutcome(time.monotonic() - began, result, error)

    async def run_all(self, functions: Iterable[FunctionMetadata]) -> None:
        """Run functions in parallel, without input, and wait for them. Failures are only logged."""
        tasks = [
            self._run(start, function, "", str(uuid.uuid4()))
            for function in functions
            if (start := self._starts.get(function.trigger.type.lower())) is not None
        ]
        if tasks:
            await asyncio.wait(tasks)

    def _run(self, start: Start, function: FunctionMetadata, text: str, invocation_id: str) -> asyncio.Task[Outcome]:
        task = asyncio.create_task(start(function, text, reason=REASON, invocation_id=invocation_id))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def drain(self, grace: float) -> None:
        """Wait at most `grace` seconds for running calls."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()

    def _ended(self, task: asyncio.Task[Outcome]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, (FunctionFailed, HostError)):
            _log.error("A function could not be run by hand: %s", error, exc_info=error)


def _report_not_by_hand(name: str, kind: str) -> None:
    word = kind.removesuffix("trigger")
    _log.error(
        "%s", _NOT_BY_HAND.format(code=NOT_BY_HAND, kind=word, name=name, remedy=_REMEDIES[kind].format(name=name))
    )


async def _outcome(task: asyncio.Task[Outcome], invocation_id: str) -> web.Response:
    answer: dict[str, Any] = {"invocationId": invocation_id, "status": "Succeeded"}
    try:
        outcome = await asyncio.shield(task)
    except FunctionFailed as error:
        return web.json_response({**answer, "status": "Failed", **_error_body(error), "stack": redacted(error.stack)})
    except HostError as error:
        return web.json_response({**answer, "status": "Failed", **_error_body(error)})
    if outcome.return_value is not None:
        answer["returnValue"] = plain_value(outcome.return_value)
    if outcome.outputs:
        answer["outputs"] = {name: plain_value(value) for name, value in outcome.outputs.items()}
    return web.json_response(answer)


def _error_body(error: Exception) -> dict[str, str]:
    return {"error": redacted(str(error))}


def plain_value(value: Datum) -> Any:
    """A function's result for the response: JSON as its value, an HTTP response as status and body."""
    if value.kind == "http":
        return {"status": value.value.status, "body": value.value.body.decode("utf-8", "replace")}
    text = value.as_text()
    if value.kind == "json" and text is not None:
        return json.loads(text)
    return text


async def _input(request: web.Request) -> str:
    """The `input` in the body as text; empty if there is none. A number keeps its spelling.

    Raises NotJson, and ValueError if the JSON is not valid or the input is not a text or a number.
    """
    body = await read_body(request)
    if not body.strip():
        return ""
    if request.content_type != "application/json":
        raise NotJson(request.content_type)
    try:
        content: Any = json.loads(body, parse_int=str, parse_float=str)
    except RecursionError:
        raise ValueError("The body is nested too deeply.") from None
    if not isinstance(content, dict):
        raise ValueError('The body must be a JSON object such as {"input": "text"}.')
    value = cast("dict[str, Any]", content).get("input")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("The input must be a text or a number. Write an object as a text with escaped quotes.")
    return value
