"""When the host writes frames to a worker."""

import asyncio
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


async def _begin_calls(worker: WorkerProcess, count: int) -> list[asyncio.Task[Any]]:
    calls = [worker.request({"k": "invoke", "i": str(number)}, lambda header, _: header) for number in range(count)]
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


def _worker() -> tuple[WorkerProcess, Transport]:
    worker, transport = WorkerProcess(cast("Any", None)), Transport()
    worker.connection_made(cast("asyncio.BaseTransport", transport))
    return worker, transport


async def test_the_frame_of_a_call_is_written_at_once() -> None:
    worker, transport = _worker()
    worker.send({"k": "forget", "key": "a"})
    assert len(transport.writes) == 1


async def test_with_many_calls_the_frames_of_one_turn_of_the_loop_are_written_together_and_in_order() -> None:
    worker, transport = _worker()
    tasks = await _begin_calls(worker, MANY)
    await asyncio.sleep(0)
    written = len(transport.writes)
    for number in range(3):
        worker.send({"k": "forget", "key": f"key {number}"})
    assert len(transport.writes) == written
    await asyncio.sleep(0)
    (together,) = transport.writes[written:]
    places = [together.index(f"key {number}".encode()) for number in range(3)]
    assert places == sorted(places)
    for task in tasks:
        task.cancel()
