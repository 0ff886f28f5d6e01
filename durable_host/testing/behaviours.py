"""What a double does, in the order in which the test has set it."""

import asyncio
import concurrent.futures
import inspect
import traceback
from collections.abc import Callable
from itertools import dropwhile
from pathlib import Path
from typing import Any

import msgspec

from durable_host.testing.loop_thread import in_callback
from durable_host.testing.sdk_json import plain_json
from durable_host.testing.stand_ins import ErrorInPlace, Replacement

__tracebackhide__ = True

Answer = Callable[[Any], Any]
"""A function that gets the value of a call. Its result, or what it raises, replaces the real thing."""

Raised = BaseException | type[BaseException] | str
"""An exception or its class, as `raise` takes them, or a message."""

_MACHINERY = (__file__, str(Path(asyncio.__file__).parent), str(Path(concurrent.futures.__file__).parent))
"""The files of the frames between the app and a function of the test."""


class CodeLanguage(msgspec.Struct, frozen=True):
    """How the app's code differs: the encoding of values, and the name of a general error.

    `encode_event` is how its client encodes events and the inputs of signals.
    """

    encode: Callable[[Any], str]
    error_type: str
    encode_event: Callable[[Any], str] = plain_json


class _Behaviour:
    """One thing that a double does, `times` times (None: forever): a replacement, an answer, or nothing."""

    def __init__(self, does: Replacement | Answer | None, times: int | None) -> None:
        self.does = does
        self.times = times


class Behaviours:
    """The queue of behaviours. One without a limit is the last: the next one begins a new queue.

    `encode` turns the result of a function into the text of a replacement.
    """

    def __init__(self, encode: Callable[[Any], str]) -> None:
        self._encode = encode
        self._queue: list[_Behaviour] = []
        self._rest: Replacement | None = None

    def add(self, does: Replacement | Answer | None, *, times: int | None = None) -> None:
        """Do this `times` times, or from then on; None lets the real thing happen.

        Raises ValueError if that is less than once, and TypeError for something that is not a function.
        """
        if times is not None and times < 1:
            raise ValueError(f"times is {times}, expected at least 1, or None for every call.")
        if does is not None and not isinstance(does, Replacement) and not callable(does):
            raise TypeError(f"runs needs a function, not {does!r}.")
        if self._queue and self._queue[-1].times is None:
            self._queue.clear()
        self._queue.append(_Behaviour(does, times))
        self._rest = None

    def end_with(self, replacement: Replacement) -> None:
        """Do this when the queue is empty, unless another behaviour is added."""
        self._rest = replacement

    async def replacement_of(self, value: Any) -> Replacement | None:
        """What the next call, with this value, does instead of the real thing; None if that happens."""
        does = self._next()
        return does if does is None or isinstance(does, Replacement) else await _answered(does, value, self._encode)

    def _next(self) -> Replacement | Answer | None:
        while self._queue:
            first = self._queue[0]
            if first.times is None:
                return first.does
            if first.times > 0:
                first.times -= 1
                return first.does
            self._queue.pop(0)
        return self._rest


def error_in_place(error: Raised, general_type: str, type_name: str | None = None) -> ErrorInPlace:
    """The error that user code appears to raise. Its traceback shows the line of the test.

    A text gets the type `general_type`; `type_name` replaces any type. A class is raised without arguments, as `raise`
    does. Raises TypeError for other values.
    """
    if isinstance(error, type):
        error = error()
    if not isinstance(error, str | BaseException):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"fails_with needs an exception or a text, not {error!r}.")
    name, message = (general_type, error) if isinstance(error, str) else (type(error).__name__, str(error))
    name = type_name or name
    return ErrorInPlace(name, message, f"Traceback (most recent call last):\n{line_of_test()}{name}: {message}")


def line_of_test() -> str:
    """The innermost line on the stack that is not of this package, as in a traceback."""
    frame = inspect.currentframe()
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("durable_host."):
        frame = frame.f_back
    return "" if frame is None else "".join(traceback.format_stack(frame, limit=1))


async def _answered(answer: Answer, value: Any, encode: Callable[[Any], str]) -> Replacement:
    """Call a test's function in another thread, so that time and the app wait for it.

    The result, encoded, or what it raises is the replacement.
    """
    token = in_callback.set(True)
    try:
        result = await asyncio.to_thread(answer, value)
        if inspect.isawaitable(result):
            result = await result
        return Replacement(encode(result))
    except Exception as error:
        name = type(error).__name__
        trace = traceback.TracebackException.from_exception(error)
        users = dropwhile(lambda frame: frame.filename.startswith(_MACHINERY), trace.stack)
        trace.stack = traceback.StackSummary.from_list(list(users))
        return Replacement(error=ErrorInPlace(name, str(error), "".join(trace.format()).rstrip()))
    finally:
        in_callback.reset(token)
