"""When the host writes frames to a worker."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, cast

from durable_host.invocation.batch_scheduling import MANY
from durable_host.invocation.worker_process import WorkerProcess


class Transport:
    """A process that does not exist, and its stdin."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def get_pid(self) -> int:
        return 2**30

    def get_pipe_transport(self, number: int) -> "Transport":
        return self

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.writes.append(data)


def _begin_calls(worker: WorkerProcess, count: int) -> Sequence[Coroutine[Any, Any, Any]]:
    """Each runs until it waits for its response, before anything else happens."""
    calls = [
        worker.request({"k": "invoke", "i": f"call {number}", "f": "hello"}, lambda header, _: header)
        for number in range(count)
    ]
    for call in calls:
        call.send(None)
    return calls


def _worker() -> tuple[WorkerProcess, Transport]:
    worker, transport = WorkerProcess(cast("Any", None)), Transport()
    worker.connection_made(cast("asyncio.BaseTransport", transport))
    return worker, transport


async def test_the_frame_of_a_call_is_written_at_once_unless_there_are_many() -> None:
    worker, transport = _worker()
    calls = _begin_calls(worker, MANY)
    assert len(transport.writes) == MANY - 1
    await asyncio.sleep(0)
    assert f"call {MANY - 1}".encode() in transport.writes[MANY - 1]
    for call in calls:
        call.close()


async def test_with_many_calls_the_frames_of_one_turn_of_the_loop_are_written_together_and_in_order() -> None:
    worker, transport = _worker()
    calls = _begin_calls(worker, MANY + 2)
    await asyncio.sleep(0)
    (together,) = transport.writes[MANY - 1 :]
    places = [together.index(f"call {number}".encode()) for number in range(MANY - 1, MANY + 2)]
    assert places == sorted(places)
    for call in calls:
        call.close()
