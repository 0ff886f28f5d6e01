"""The worker's end of the pipe: frames of several threads."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from durable_host.worker import channel
from durable_host.worker.channel import MOST_LEFT, PipeChannel
from durable_host.worker.frames import FrameBody, FrameParser

LARGE = 4_000_000
"""More bytes than a pipe holds: the write ends only when the other side reads."""
MOMENT = 0.1
"""Seconds in which a thread that waits for nothing ends."""


class Pipe:
    """A channel and the frames that arrive at the other end."""

    def __init__(self) -> None:
        self._reading, writing = os.pipe()
        self.channel = PipeChannel(writing)
        self._parser = FrameParser()
        self._writing = writing

    def frames(self, count: int) -> list[dict[str, Any]]:
        """Read until that many frames have arrived."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += [header for header, _ in self._parser.feed(os.read(self._reading, 65_536))]
        return found

    def wait_begun(self) -> None:
        """Until a frame is being written."""
        self._parser.feed(os.read(self._reading, 1))

    def close(self) -> None:
        os.close(self._reading)
        os.close(self._writing)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


class SlowWriter:
    """A thread that has posted the frame 0, which is small, and waits in the system's `write` until `go_on`."""

    def __init__(self, pipe: Pipe, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | None = None) -> None:
        self._begun, self._may_write = threading.Event(), threading.Event()
        self._error = error
        self.seen: list[BaseException] = []
        self._pipe = pipe
        monkeypatch.setattr(channel, "os", self)
        self._thread = threading.Thread(target=self._post)
        self._thread.start()
        assert self._begun.wait(10)

    def write(self, descriptor: int, data: memoryview) -> int:
        self._begun.set()
        assert self._may_write.wait(10)
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return os.write(descriptor, data)

    @property
    def writes(self) -> bool:
        return self._may_write.is_set()

    def go_on(self) -> None:
        self._may_write.set()
        self._thread.join(10)

    def _post(self) -> None:
        try:
            self._pipe.channel.post({"n": 0})
        except BaseException as error:
            self.seen.append(error)


def test_a_posted_frame_is_written_at_once(pipe: Pipe) -> None:
    pipe.channel.post({"n": 1})
    assert pipe.frames(1) == [{"n": 1}]


def test_a_frame_is_left_to_the_thread_that_is_writing(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SlowWriter(pipe, monkeypatch)
    pipe.channel.post({"n": 1})
    pipe.channel.post({"n": 2})
    assert not writer.writes
    writer.go_on()
    assert [frame["n"] for frame in pipe.frames(3)] == [0, 1, 2]


@pytest.mark.parametrize("write", ["post", "send"])
def test_a_thread_does_not_continue_before_a_large_frame_and_its_own_are_written(pipe: Pipe, write: str) -> None:
    body, entered = FrameBody(), threading.Event()
    body.add(bytes(LARGE))
    writer = threading.Thread(target=getattr(pipe.channel, write), args=({"n": 0}, body))
    writer.start()
    pipe.wait_begun()

    def post() -> None:
        entered.set()
        pipe.channel.post({"n": 1})

    thread = threading.Thread(target=post)
    thread.start()
    assert entered.wait(10)
    thread.join(MOMENT)
    assert thread.is_alive()
    assert [frame["n"] for frame in pipe.frames(2)] == [0, 1]
    thread.join(10)
    writer.join(10)


def test_threads_leave_no_more_than_a_pipe_holds(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, count, size = SlowWriter(pipe, monkeypatch), 200, 1000
    left: list[int] = []

    def post() -> None:
        for number in range(1, count):
            pipe.channel.post({"n": number, "text": "x" * size})
            if not writer.writes:
                left.append(number)

    thread = threading.Thread(target=post)
    thread.start()
    thread.join(MOMENT)
    reading = threading.Thread(target=writer.go_on)
    reading.start()
    assert [frame["n"] for frame in pipe.frames(count)] == list(range(count))
    thread.join(10)
    reading.join(10)
    assert len(left) * size <= MOST_LEFT


def test_frames_of_other_threads_survive_an_exception_of_the_one_that_writes(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SlowWriter(pipe, monkeypatch, KeyboardInterrupt)
    pipe.channel.post({"n": 1})
    writer.go_on()
    assert [type(error) for error in writer.seen] == [KeyboardInterrupt]
    pipe.channel.post({"n": 2})
    assert [frame["n"] for frame in pipe.frames(1)] == [0, 1, 2]


def test_an_exception_before_the_write_stops_no_later_frame(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(data: bytes) -> memoryview:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(channel, "memoryview", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt):
        pipe.channel.post({"n": 0})
    pipe.channel.post({"n": 1})
    assert [frame["n"] for frame in pipe.frames(1)][-1] == 1


def test_a_frame_that_is_posted_before_a_log_line_is_not_lost(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SlowWriter(pipe, monkeypatch)
    pipe.channel.post({"n": 1})
    logging = threading.Thread(target=pipe.channel.send, args=({"n": 2},))
    logging.start()
    writer.go_on()
    assert sorted(frame["n"] for frame in pipe.frames(3)) == [0, 1, 2]
    logging.join(10)


def test_frames_of_many_threads_arrive_whole_and_in_the_order_of_their_thread(pipe: Pipe) -> None:
    threads, each = 8, 200

    def run(thread: int) -> None:
        for number in range(each):
            write = pipe.channel.send if number % 3 == 0 else pipe.channel.post
            write({"t": thread, "n": number, "text": "x" * (number % 50)})

    running = [threading.Thread(target=run, args=(thread,)) for thread in range(threads)]
    for one in running:
        one.start()
    frames = pipe.frames(threads * each)
    for one in running:
        one.join()
    posted = {thread: [f["n"] for f in frames if f["t"] == thread and f["n"] % 3] for thread in range(threads)}
    assert all(numbers == sorted(numbers) for numbers in posted.values())
    assert sorted((frame["t"], frame["n"]) for frame in frames) == [(t, n) for t in range(threads) for n in range(each)]
