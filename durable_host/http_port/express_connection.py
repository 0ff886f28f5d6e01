"""A connection that answers plain requests itself."""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import copy_context
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_writer import StreamWriter

from durable_host.http_port.express import Express, ExpressAnswer, plain_request

_NEEDED = (
    *("_buffer_paused", "_close", "_drain_helper", "_force_close", "_handle_request", "_handler_waiter"),
    *("_keepalive_handle", "_keepalive_timeout", "_loop", "_messages", "_msg_queue_resume_size"),
    *("_next_keepalive_close_time", "_parser", "_paused", "_process_keepalive", "_request_factory"),
    *("_request_in_progress", "_resume_reading_if_drained", "_task_handler", "_waiter"),
)


def is_supported() -> bool:
    """Whether this version of aiohttp has the private members that an `ExpressConnection` uses."""
    return hasattr(HttpRequestParser, "message_consumed") and all(hasattr(web.RequestHandler, name) for name in _NEEDED)


class ExpressConnection(web.RequestHandler):
    """Answers plain requests while aiohttp's loop waits for the next request, and leaves all others to that loop.

    The queue of requests is aiohttp's, and so are the limits and the end of the connection. `express` only replaces
    what aiohttp does from the moment it takes a request from the queue until it has sent the response.
    """

    __slots__ = ("_express",)

    def __init__(self, *args: Any, express: Express | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._express = express

    async def start(self) -> None:
        usual = super().start()
        if self._express is None:
            return await usual
        try:
            while await _runs_until_idle(usual, lambda awaited: awaited is not None and awaited is self._waiter):
                assert self._waiter is not None
                await self._waiter
                while (answer := self._next_answer(self._express)) is not None:
                    if not await self._send(*answer):
                        return self._end()
                    if not self._messages:
                        self._waiter = self._loop.create_future()
                        await self._waiter
        except Exception as error:
            self.log_exception("Unhandled exception", exc_info=error)
            self.force_close()
        finally:
            usual.close()
        return None

    def _next_answer(self, express: Express) -> tuple[ExpressAnswer, RawRequestMessage, StreamReader] | None:
        """Take the next request from the queue, if it is plain."""
        message, body = self._messages[0]
        if not isinstance(message, RawRequestMessage) or (request := plain_request(message, body)) is None:
            return None
        try:
            answer = express(request)
        except Exception as error:
            self.log_exception("Unhandled exception; the request is answered as usual", exc_info=error)
            return None
        if answer is None:
            return None
        try:
            self._messages.popleft()
            if self._parser is not None:
                self._parser.message_consumed()
            if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
                self._resume_reading_if_drained()
        except BaseException:
            answer.close()
            raise
        return answer, message, body

    async def _send(self, answer: ExpressAnswer, message: RawRequestMessage, body: StreamReader) -> bool:
        """Send the response. False if the connection has to end."""
        make_request = self._request_factory
        if make_request is None:  # the connection is lost
            answer.close()
            return False
        self._request_in_progress = True
        try:
            try:
                response: bytes | web.StreamResponse | Exception = await _in_own_context(answer)
            except Exception as error:
                response = error
            if isinstance(response, bytes):
                if self.transport is None or self.transport.is_closing():
                    return False
                self.transport.write(response)
                if self._paused:
                    await self._drain_helper()
            else:
                task = self._task_handler or asyncio.current_task()
                assert task is not None
                request = make_request(message, body, self, StreamWriter(self, self._loop), task)
                sent, is_lost = await self._handle_request(request, None, _handler_of(response))
                if is_lost or not sent.keep_alive:
                    return False
        except ConnectionError:
            return False
        except BaseException:
            self.force_close()
            raise
        finally:
            self._request_in_progress = False
            if self._handler_waiter is not None and not self._handler_waiter.done():
                self._handler_waiter.set_result(None)
        if self._close or self._force_close:
            return False
        self._next_keepalive_close_time = end = self._loop.time() + self._keepalive_timeout
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(end, self._process_keepalive)
        return True

    def _end(self) -> None:
        """End the connection as aiohttp's loop does."""
        if not self._force_close:
            self._task_handler = None
            if self.transport is not None:
                self.transport.close()


def _handler_of(
    response: web.StreamResponse | Exception,
) -> Callable[[web.BaseRequest], Coroutine[Any, Any, web.StreamResponse]]:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        if isinstance(response, Exception):
            raise response
        return response

    return handler


@types.coroutine
def _in_own_context(answer: ExpressAnswer) -> Generator[Any, Any, bytes | web.StreamResponse]:
    """Run the answer with its own context variables, as a task would: none is left for the next request."""
    run = copy_context().run
    resume: Callable[..., Any] = answer.send
    value: Any = None
    while True:
        try:
            awaited = run(resume, value)
        except StopIteration as end:
            return end.value
        try:
            resume, value = answer.send, (yield awaited)
        except BaseException as error:
            resume, value = answer.throw, error


@types.coroutine
def _runs_until_idle(usual: Coroutine[Any, Any, None], is_idle: Callable[[Any], bool]) -> Generator[Any, Any, bool]:
    """Run aiohttp's loop until it waits for the next request. False if it has ended."""
    resume = usual.send
    value: Any = None
    while True:
        try:
            awaited = resume(value)
        except StopIteration:
            return False
        if is_idle(awaited):
            awaited._asyncio_future_blocking = False  # nobody waits for it yet
            return True
        try:
            resume, value = usual.send, (yield awaited)
        except BaseException as error:
            resume, value = usual.throw, error
