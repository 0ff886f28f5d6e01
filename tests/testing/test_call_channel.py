"""Calls between the process of a test and its host, here both in one process."""

import asyncio
import gc
import os
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest

from durable_host.durable.api.errors import InstanceNotFound, UnknownFunction
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import InstanceExists
from durable_host.testing.live.call_channel import CallChannel, ChannelClosed, _Frame


class Ends:
    """Both ends of a channel. The far one answers."""

    def __init__(self) -> None:
        near, far = Pipe()
        loop = asyncio.get_running_loop()
        self.near_closed, self.far_closed = asyncio.Event(), asyncio.Event()
        self.near = CallChannel(near, loop, self._answer, lambda: loop.call_soon_threadsafe(self.near_closed.set))
        self.far = CallChannel(far, loop, self._answer, lambda: loop.call_soon_threadsafe(self.far_closed.set))

    async def call(self, name: str, *arguments: Any) -> Any:
        return await asyncio.wrap_future(self.near.call(name, *arguments))

    async def _answer(self, name: str, arguments: Sequence[Any]) -> Any:
        if name == "ask back":
            return await asyncio.wrap_future(self.far.call("echo", "from far"))
        if name == "function":
            return lambda: None
        if name == "broken":
            return Broken()
        if name == "never":
            await asyncio.Event().wait()
        return list(arguments)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ends = Ends()
    yield ends
    ends.near.close()
    ends.far.close()


async def test_results_come_back_and_both_ends_may_call(ends: Ends) -> None:
    assert await ends.call("echo", 1, {"a": b"b"}) == [1, {"a": b"b"}]
    assert await ends.call("ask back") == ["from far"]


async def test_calls_do_not_wait_for_each_other(ends: Ends) -> None:
    never = asyncio.create_task(ends.call("never"))
    assert await ends.call("echo") == []
    never.cancel()
    ends.far.close()
    await ends.near_closed.wait()


@pytest.mark.parametrize(
    "error",
    [
        InstanceNotFound("one"),
        InstanceExists("one", OrchestrationStatus.Running),
        UnknownFunction("There is none."),
        LookupError("nothing"),
        AssertionError("no"),
    ],
)
async def test_errors_keep_their_type_and_text(ends: Ends, error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        await _raised(ends, error)
    assert str(raised.value) == str(error)


async def _raised(ends: Ends, error: Exception) -> None:
    """Raise an error at the far end that cannot be sent there."""

    async def answer(name: str, arguments: Sequence[Any]) -> Any:
        raise error

    ends.far._answer = answer
    try:
        await ends.call("anything")
    finally:
        ends.far._answer = ends._answer


async def test_a_result_that_cannot_be_sent_is_an_error(ends: Ends) -> None:
    with pytest.raises(TypeError, match="The answer of 'function' cannot be sent"):
        await ends.call("function")


async def test_the_end_of_the_other_process_ends_all_calls(ends: Ends) -> None:
    never = asyncio.create_task(ends.call("never"))
    await asyncio.sleep(0)
    ends.far.close()
    with pytest.raises(ChannelClosed):
        await never
    await ends.near_closed.wait()
    with pytest.raises(ChannelClosed):
        await ends.call("echo")


class SlowReader:
    """A connection whose reader has the number of the descriptor, but has not read yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.go_on = threading.Event()
        self.close, self.fileno, self.send = connection.close, connection.fileno, connection.send

    def recv(self) -> Any:
        self.go_on.wait()
        return self._connection.recv()


async def test_a_descriptor_stays_open_while_a_thread_may_read_from_it() -> None:
    near, far = Pipe()
    reader, number = SlowReader(near), near.fileno()
    channel = CallChannel(reader, asyncio.get_running_loop(), Ends._answer, lambda: None)  # type: ignore[arg-type]
    channel.close()
    os.fstat(number)
    reader.go_on.set()
    channel._reader.join()
    assert near.closed
    with pytest.raises(ChannelClosed):
        channel.call("echo").result()
    far.close()


class Broken:
    """Can be sent, but not be loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _refuse_loading, ()


def _refuse_loading() -> None:
    raise AttributeError("There is no such class here.")


async def test_arguments_that_cannot_be_loaded_fail_only_their_call(ends: Ends) -> None:
    with pytest.raises(TypeError, match="cannot load the arguments of 'echo': There is no such class here"):
        await ends.call("echo", Broken())
    assert await ends.call("echo", 1) == [1]


async def test_a_result_that_cannot_be_loaded_fails_only_its_call(ends: Ends) -> None:
    with pytest.raises(TypeError, match="The answer of 'broken' cannot be loaded in this process"):
        await ends.call("broken")
    assert await ends.call("echo", 1) == [1]


async def test_an_error_that_cannot_be_sent_is_described(ends: Ends) -> None:
    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match="Local: no"):
        await _raised(ends, Local("no"))
    assert await ends.call("echo", 1) == [1]


def test_a_call_that_arrives_when_the_loop_ends_leaves_no_coroutine_behind(recwarn: pytest.WarningsRecorder) -> None:
    loop = asyncio.new_event_loop()
    near, far = Pipe()
    closed = threading.Event()
    scheduled = threading.Event()
    loop.call_soon_threadsafe = _noted(loop.call_soon_threadsafe, scheduled)  # type: ignore[method-assign]
    answered: list[str] = []

    async def answer(name: str, arguments: Sequence[Any]) -> None:
        answered.append(name)

    channel = CallChannel(near, loop, answer, closed.set)
    far.send(_Frame("call", 0, "late", pickle.dumps(())))
    assert scheduled.wait(30)
    loop.close()
    channel.close()
    far.close()
    channel._reader.join(30)
    gc.collect()
    assert answered == []
    assert [str(one.message) for one in recwarn if one.category is RuntimeWarning] == []


def _noted(schedule: Callable[..., Any], scheduled: threading.Event) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        try:
            return schedule(*arguments, **options)
        finally:
            scheduled.set()

    return call
