"""Calls in both directions between a test and the host process that it has started, through an inherited socket.

Values are pickled: both ends are this package, and nobody else has the socket.
"""

import asyncio
import itertools
import os
import pickle
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar

import msgspec

__tracebackhide__ = True

T = TypeVar("T")
Answer = Callable[[str, Sequence[Any]], Coroutine[Any, Any, Any]]
"""Answers a call of the other end: gets the name and the arguments."""


class ChannelClosed(Exception):
    """The other process has ended."""


class _Frame(msgspec.Struct, frozen=True):
    """A call of `name` with `value` as its arguments, or the result, or the error, of the call with this number.

    `value` is pickled by itself: if the other end cannot load it, only this call fails.
    """

    kind: Literal["call", "result", "error"]
    number: int
    name: str
    value: bytes


class _Failure(msgspec.Struct, frozen=True):
    """An exception. Some cannot be pickled, or not be created from their arguments."""

    kind: type[BaseException]
    arguments: tuple[Any, ...]
    members: dict[str, Any]


class CallChannel:
    """One end. `answer` runs in `loop`; `closed` is called from another thread when the other end is gone."""

    def __init__(
        self, connection: Connection, loop: asyncio.AbstractEventLoop, answer: Answer, closed: Callable[[], object]
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._answer = answer
        self._closed = closed
        self._sending = threading.Lock()
        self._ending = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._is_open = True
        self._reader = threading.Thread(target=self._read, name="live app", daemon=True)
        self._reader.start()

    def call(self, name: str, *arguments: Any) -> "Future[Any]":
        """Call the other end. The future raises what the call raised there, or ChannelClosed.

        Raises what pickle raises for arguments that cannot be sent.
        """
        value = pickle.dumps(arguments)
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # so that a caller that gives up does not cancel it
        number = next(self._numbers)
        self._waiting[number] = future
        try:
            self._send(_Frame("call", number, name, value))
        except OSError:
            self._waiting.pop(number, None)
            future.set_exception(ChannelClosed())
        if not self._is_open and self._waiting.pop(number, None) is not None:
            future.set_exception(ChannelClosed())
        return future

    def close(self) -> None:
        """End the channel for both sides; `closed` is not called here. Idempotent."""
        self._closed = lambda: None
        self._shut_down()

    def _shut_down(self) -> None:
        """Stop sending and receiving. This wakes the reader, which closes the descriptor.

        If another thread closed it, the reader might use its number when it already belongs to another file.
        """
        with self._ending, suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)

    def _send(self, frame: _Frame) -> None:
        with self._sending:
            self._connection.send(frame)

    def _read(self) -> None:
        try:
            while True:
                frame: _Frame = self._connection.recv()
                if frame.kind == "call":
                    self._loop.call_soon_threadsafe(self._begin, frame)
                    continue
                future = self._waiting.pop(frame.number, None)
                if future is None:
                    continue
                _end(future, frame)
        except (EOFError, OSError, RuntimeError, TypeError):
            self._is_open = False
        self._shut_down()
        with self._sending, self._ending:
            self._connection.close()
        for number in list(self._waiting):
            future = self._waiting.pop(number, None)
            if future is not None:
                future.set_exception(ChannelClosed())
        self._closed()

    def _begin(self, frame: _Frame) -> None:
        """Answer a call. This runs on the loop, so that no coroutine is created for a loop that has ended."""
        answering = self._loop.create_task(self._answered(frame))
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)

    async def _answered(self, frame: _Frame) -> None:
        answer = await self._answer_to(frame)
        with suppress(OSError):
            self._send(answer)

    async def _answer_to(self, frame: _Frame) -> _Frame:
        try:
            arguments = pickle.loads(frame.value)
        except Exception as error:
            return _error(frame, TypeError(f"The other process cannot load the arguments of '{frame.name}': {error}"))
        try:
            result = await self._answer(frame.name, arguments)
        except Exception as error:
            return _error(frame, error)
        try:
            return _Frame("result", frame.number, frame.name, pickle.dumps(result))
        except Exception as error:
            text = f"The answer of '{frame.name}' cannot be sent to the other process: {error}"
            return _error(frame, TypeError(text))


def _error(call: _Frame, error: Exception) -> _Frame:
    try:
        value = pickle.dumps(_failure_of(error))
    except Exception:
        value = pickle.dumps(_failure_of(RuntimeError(f"{type(error).__name__}: {error}")))
    return _Frame("error", call.number, call.name, value)


def _end(future: "Future[Any]", answer: _Frame) -> None:
    """End the call with its answer, or with the error that this answer cannot be loaded."""
    try:
        value = pickle.loads(answer.value)
        error = _error_of(value) if answer.kind == "error" else None
    except Exception as failure:
        error = TypeError(f"The answer of '{answer.name}' cannot be loaded in this process: {failure}")
        value = None
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)


def _failure_of(error: BaseException) -> _Failure:
    members = {name: value for name, value in vars(error).items() if _is_plain(value)}
    arguments = error.args if all(_is_plain(one) for one in error.args) else (str(error),)
    return _Failure(type(error), arguments, members)


def _error_of(failure: _Failure) -> BaseException:
    """The exception without a call of its constructor, whose parameters may differ from its arguments."""
    error = failure.kind.__new__(failure.kind, *failure.arguments)
    error.__dict__.update(failure.members)
    return error


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool | list | tuple | dict)
