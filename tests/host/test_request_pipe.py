"""The worker's end of the pipe with requests: the thread lends it to the event loop, and takes it back."""

import asyncio
import contextvars
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from durable_host.worker import request_pipe
from durable_host.worker.frames import encode_frame
from durable_host.worker.request_pipe import Actions, Frames, LoanPause, RequestPipe

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
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """A pipe whose thread is patient: these tests must not depend on the time in which the loop begins to read.

    asyncio handles SIGINT while a test runs, so other signals are the ones of user code.
    """
    monkeypatch.setattr(request_pipe, "SIGNALS", [signal.SIGUSR1])
    monkeypatch.setattr(request_pipe, "LOOK_EVERY", 60)
    made = Pipe()
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, pipe: Pipe) -> None:
    monkeypatch.setattr(request_pipe, "LOOK_EVERY", 0.001)
    monkeypatch.setattr(request_pipe, "PATIENCE", 0.001)


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch, impatient: None) -> threading.Event:
    """The thread takes the pipe back only while this is set, and a request waits."""
    event, is_readable = threading.Event(), request_pipe.is_readable
    monkeypatch.setattr(request_pipe, "QUIET_AFTER", sys.maxsize)
    monkeypatch.setattr(request_pipe, "is_readable", lambda descriptor: event.is_set() and is_readable(descriptor))
    return event


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


async def block_loop(pipe: Pipe, blocked: threading.Event) -> list[int]:
    """Lend the pipe to this loop until a request waits for the blocked loop. Returns what the thread reads then."""
    unblocked, loop = threading.Event(), asyncio.get_running_loop()
    found: list[int] = []

    def begin(frames: Frames) -> Actions | None:
        return [block] if numbers(frames) == [0] else None

    def block() -> None:
        blocked.set()
        pipe.send(1)
        assert unblocked.wait(30)
        blocked.clear()

    def thread() -> None:
        pipe.requests.lend(loop, begin, run_all)
        found.extend(numbers(pipe.requests.read()))
        pipe.requests.lend(loop, begin, run_all)
        unblocked.set()

    pipe.send(0)
    await asyncio.to_thread(thread)
    return found


async def test_thread_takes_the_pipe_back_while_the_loop_is_blocked(pipe: Pipe, blocked: threading.Event) -> None:
    assert await block_loop(pipe, blocked) == [1]


@pytest.mark.parametrize(("pause", "readers"), [(0, "loop"), (60, "thread")])
async def test_blocked_loop_gets_the_pipe_after_a_pause(
    pipe: Pipe, blocked: threading.Event, monkeypatch: pytest.MonkeyPatch, pause: float, readers: str
) -> None:
    monkeypatch.setattr(request_pipe, "SHORTEST_PAUSE", pause)
    begun: list[int] = []
    await block_loop(pipe, blocked)
    pipe.send(2)
    await lend(pipe, lambda frames: begun.extend(numbers(frames)))
    assert begun == ([2] if readers == "loop" else [])


def test_pause_grows_while_the_loop_is_soon_blocked_again() -> None:
    pause, now = LoanPause(), 100.0
    lengths: list[float] = []
    for _ in range(9):
        pause.begin(now)
        length = next(tenths for tenths in range(100) if pause.is_over(now + tenths / 10)) / 10
        lengths.append(length)
        now += 2 * length
    assert lengths == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5]
    pause.begin(now + 60)
    assert not pause.is_over(now + 60.09)
    assert pause.is_over(now + 60.11)


def raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def restored_signal() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("restored_signal")
async def test_thread_keeps_the_pipe_of_an_app_that_handles_signals(pipe: Pipe) -> None:
    begun: list[int] = []
    signal.signal(signal.SIGUSR1, raise_interrupt)
    pipe.send(0)
    await lend(pipe, lambda frames: begun.extend(numbers(frames)))
    assert begun == []
    assert numbers(pipe.requests.read()) == [0]


@pytest.mark.usefixtures("restored_signal", "blocked")
async def test_thread_takes_the_pipe_back_when_the_app_handles_signals(pipe: Pipe) -> None:
    begun: list[int] = []

    def handle_signals() -> None:
        signal.signal(signal.SIGUSR1, raise_interrupt)

    def begin(frames: Frames) -> Actions:
        begun.extend(numbers(frames))
        return [handle_signals]

    pipe.send(0)
    await lend(pipe, begin)
    pipe.send(1)
    assert numbers(await asyncio.to_thread(pipe.requests.read)) == [1]
    assert begun == [0]


async def test_requests_that_the_loop_reads_share_no_context(pipe: Pipe) -> None:
    variable = contextvars.ContextVar("variable", default=0)
    seen: list[int] = []

    def act() -> None:
        seen.append(variable.get())
        variable.set(1)
        pipe.send(len(seen))

    pipe.send(0)
    await lend(pipe, lambda frames: [act] if numbers(frames)[0] < 3 else None)
    assert seen == [0, 0, 0]


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
async def test_requests_run_in_order_whoever_reads_them(pipe: Pipe, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """The loop is blocked now and then, so that the pipe changes hands many times."""
    monkeypatch.setattr(request_pipe, "SHORTEST_PAUSE", 0)
    chance = random.Random(seed)
    loop, ran = asyncio.get_running_loop(), list[int]()
    readers: set[int] = set()

    def act(number: int) -> None:
        ran.append(number)
        if chance.random() < 0.03:
            threading.Event().wait(0.004)

    def begin(frames: Frames) -> Actions:
        readers.add(threading.get_ident())
        return [partial(act, number) for number in numbers(frames)]

    def read() -> None:
        while frames := pipe.requests.read():
            loop.call_soon_threadsafe(run_all, begin(frames))
            pipe.requests.lend(loop, begin, run_all)

    def write() -> int:
        count = 0
        while count < 1500 or (len(readers) < 2 and count < 100_000):
            pipe.send(count)
            count += 1
            if chance.random() < 0.1:
                threading.Event().wait(0.002)
        pipe.end()
        return count

    reading: Any = asyncio.create_task(asyncio.to_thread(read))
    count = await asyncio.to_thread(write)
    await reading
    assert ran == list(range(count))
    assert len(readers) == 2
