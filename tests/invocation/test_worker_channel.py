"""The worker's end of the pipe: frames of several threads."""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from durable_host.worker.channel import PipeChannel
from durable_host.worker.frames import FrameBody, FrameParser

LARGE = 4_000_000
"""More bytes than a pipe holds: the write ends only when the other side reads."""


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


def blocked_writer(pipe: Pipe) -> threading.Thread:
    """A thread that posts a frame and cannot write all of it yet."""
    body = FrameBody()
    body.add(bytes(LARGE))
    thread = threading.Thread(target=pipe.channel.post, args=({"n": 0}, body))
    thread.start()
    pipe.wait_begun()
    return thread


def test_a_posted_frame_is_written_at_once(pipe: Pipe) -> None:
    pipe.channel.post({"n": 1})
    assert pipe.frames(1) == [{"n": 1}]


def test_a_frame_is_left_to_the_thread_that_is_writing(pipe: Pipe) -> None:
    writer = blocked_writer(pipe)
    pipe.channel.post({"n": 1})
    pipe.channel.post({"n": 2})
    assert [frame["n"] for frame in pipe.frames(3)] == [0, 1, 2]
    writer.join()


def test_a_frame_that_is_posted_before_a_log_line_is_not_lost(pipe: Pipe) -> None:
    writer = blocked_writer(pipe)
    pipe.channel.post({"n": 1})
    logging = threading.Thread(target=pipe.channel.send, args=({"n": 2},))
    logging.start()
    assert sorted(frame["n"] for frame in pipe.frames(3)) == [0, 1, 2]
    writer.join()
    logging.join()


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
