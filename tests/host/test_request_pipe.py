"""The worker's end of the pipe with requests: the thread lends it to the event loop, and takes it back."""

import asyncio
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from durable_host.worker import request_pipe
from durable_host.worker.frames import encode_frame
from durable_host.worker.request_pipe import Actions, Frames, RequestPipe

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the pipe is never lent there")


class Pipe:
    def __init__(self) -> None:
        self._source, self._target = os.pipe()
        self.requests = RequestPipe(self._source)

    def send(self, number: int) -> None:
        os.write(self._target, encode_frame({"k": "x", "n": number}))

    def end(self) -> None:
        if self._target >= 0:
            os.close(self._target)
            self._target = -1

    def close(self) -> None:
        self.end()
        os.close(self._source)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_pipe, "PATIENCE", 0.001)


def run_all(actions: Actions) -> None:
    for action in actions:
        action()


def numbers(frames: Frames) -> list[int]:
    return [header["n"] for header, _ in frames]


async def lend(pipe: Pipe, begin: Callable[[Frames], Actions | None]) -> None:
    """Lend the pipe to this loop from another thread, until it is back."""
    await asyncio.to_thread(pipe.requests.lend, asyncio.get_running_loop(), begin, run_all)


def on_loop(begun: list[tuple[int, int]], pipe: Pipe, last: int) -> Callable[[Frames], Actions | None]:
    """Keep each number with the thread that runs it, and send the next one. The last one returns the pipe."""

    def take(number: int) -> None:
        begun.append((number, threading.get_ident()))
        pipe.send(number + 1)

    def begin(frames: Frames) -> Actions | None:
        [number] = numbers(frames)
        return None if number == last else [partial(take, number)]

    return begin


async def test_loop_reads_what_is_lent(pipe: Pipe) -> None:
    begun: list[tuple[int, int]] = []
    pipe.send(0)
    await lend(pipe, on_loop(begun, pipe, 3))
    assert begun == [(number, threading.get_ident()) for number in range(3)]


async def test_thread_reads_after_the_pipe_was_returned(pipe: Pipe) -> None:
    pipe.send(0)
    await lend(pipe, lambda _: None)
    pipe.send(1)
    assert numbers(await asyncio.to_thread(pipe.requests.read)) == [1]


@pytest.mark.usefixtures("impatient")
async def test_thread_takes_the_pipe_back_while_the_loop_is_blocked(pipe: Pipe) -> None:
    unblocked = threading.Event()
    found: list[int] = []

    def begin(frames: Frames) -> Actions | None:
        return [block] if numbers(frames) == [0] else None

    def block() -> None:
        pipe.send(1)
        assert unblocked.wait(30)

    def thread() -> None:
        pipe.requests.lend(loop, begin, run_all)
        found.extend(numbers(pipe.requests.read()))
        unblocked.set()

    loop = asyncio.get_running_loop()
    pipe.send(0)
    await asyncio.to_thread(thread)
    assert found == [1]


@pytest.mark.usefixtures("impatient")
async def test_blocked_loop_gets_the_pipe_when_it_turns_again(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_pipe, "QUIET_AFTER", sys.maxsize)
    unblocked = threading.Event()
    begun: list[int] = []

    def block() -> None:
        pipe.send(1)
        assert unblocked.wait(30)

    def begin(frames: Frames) -> Actions | None:
        begun.extend(numbers(frames))
        return [block] if begun == [0] else None

    def thread() -> None:
        pipe.requests.lend(loop, begin, run_all)
        pipe.requests.read()
        pipe.requests.lend(loop, begin, run_all)
        unblocked.set()

    loop = asyncio.get_running_loop()
    pipe.send(0)
    await asyncio.to_thread(thread)
    assert begun == [0]
    pipe.send(2)
    await lend(pipe, begin)
    assert begun == [0, 2]


@pytest.mark.usefixtures("impatient")
async def test_thread_takes_the_pipe_back_after_a_quiet_time(pipe: Pipe) -> None:
    begun: list[int] = []
    await lend(pipe, lambda frames: begun.extend(numbers(frames)))
    pipe.send(0)
    assert numbers(await asyncio.to_thread(pipe.requests.read)) == [0]
    assert not begun


async def test_loop_returns_a_pipe_without_requests_for_it(pipe: Pipe) -> None:
    begun: list[int] = []

    def begin(frames: Frames) -> Actions:
        begun.extend(numbers(frames))
        if len(begun) < request_pipe.MOST_FOR_THREADS:
            pipe.send(len(begun))
        return []

    pipe.send(0)
    await lend(pipe, begin)
    assert len(begun) == request_pipe.MOST_FOR_THREADS


async def test_end_of_the_host_returns_the_pipe(pipe: Pipe) -> None:
    pipe.end()
    await lend(pipe, lambda _: [])
    assert pipe.requests.read() == []


async def test_request_that_cannot_be_read_is_an_error_of_the_thread(pipe: Pipe) -> None:
    def begin(_: Frames) -> Actions:
        raise ValueError("what is this?")

    pipe.send(0)
    with pytest.raises(RuntimeError, match="could not be read") as raised:
        await lend(pipe, begin)
    assert str(raised.value.__cause__) == "what is this?"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("seed", range(5))
async def test_requests_run_in_order_whoever_reads_them(pipe: Pipe, seed: int) -> None:
    """The loop is blocked now and then, so that the pipe changes hands many times."""
    chance, count = random.Random(seed), 1500
    loop, ran, done = asyncio.get_running_loop(), list[int](), asyncio.Event()
    readers: set[int] = set()

    def act(number: int) -> None:
        ran.append(number)
        if chance.random() < 0.03:
            threading.Event().wait(0.004)
        if len(ran) == count:
            done.set()

    def begin(frames: Frames) -> Actions:
        readers.add(threading.get_ident())
        return [partial(act, number) for number in numbers(frames) if number >= 0]

    def read() -> None:
        while frames := pipe.requests.read():
            if actions := begin(frames):
                loop.call_soon_threadsafe(run_all, actions)
                pipe.requests.lend(loop, begin, run_all)

    def write() -> None:
        for number in range(count):
            pipe.send(number)
            if chance.random() < 0.1:
                threading.Event().wait(0.002)

    reading: Any = asyncio.create_task(asyncio.to_thread(read))
    await asyncio.to_thread(write)
    await done.wait()
    pipe.end()
    await reading
    assert ran == list(range(count))
    assert len(readers) == 2
