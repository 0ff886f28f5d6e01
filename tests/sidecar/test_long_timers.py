"""Timers of workers that do not split them: virtual time, and the worker of `durabletask.azuremanaged`."""

from collections.abc import AsyncIterator
from datetime import timedelta

from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.client import OrchestrationStatus
from google.protobuf.timestamp_pb2 import Timestamp
from runtime_world import runtime_options
from test_worker_protocol import completion
from workers_world import Workers

from durable_host.durable.api import DurableClient
from durable_host.durable.model.status import OrchestrationStatus as Status
from durable_host.durable.proto import pb
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.sidecar.workers.work_stream import WorkStream
from durable_host.durable.sidecar.workers.worker_code import WorkerCode
from durable_host.durable.taskhub.sqlite import SqliteTaskHub
from durable_host.testing.virtual_clock import VirtualClock
from durable_host.timestamp import TICKS_PER_SECOND, UNIX_EPOCH_TICKS


async def _no_version(instance_id: str) -> str | None:
    return None


async def _next(items: AsyncIterator[bytes]) -> pb.WorkItem:
    while True:
        item = pb.WorkItem.FromString(await anext(items))
        if not item.HasField("healthPing"):
            return item


async def test_a_timer_of_a_month_fires_when_it_is_due() -> None:
    clock, options = VirtualClock(), runtime_options(version_match_strategy="None")
    hub, code = SqliteTaskHub(":memory:", options.hub_name, clock), WorkerCode(_no_version)
    runtime = DurableRuntime(hub, code, options, clock)
    await runtime.start()
    client = DurableClient(hub, None, options, clock, runtime.live)
    stream = WorkStream(pb.GetWorkItemsRequest(), size_limit=None)
    items = stream.items()
    code.board.connect(stream)
    await client.start("wait", instance_id="i1")
    turn = await _next(items)
    due = clock.now() + 30 * 24 * 3600 * TICKS_PER_SECOND
    timer = pb.CreateTimerAction(fireAt=Timestamp(seconds=(due - UNIX_EPOCH_TICKS) // TICKS_PER_SECOND))
    actions = [pb.OrchestratorAction(id=1, createTimer=timer)]
    code.board.complete(turn.completionToken, "orchestration", pb.OrchestratorResponse(actions=actions))
    await clock.advance(timedelta(days=29))
    assert not stream.open
    await clock.advance(timedelta(days=1))
    turn = await _next(items)
    assert [one.timerFired.timerId for one in turn.orchestratorRequest.newEvents if one.HasField("timerFired")] == [1]
    code.board.complete(turn.completionToken, "orchestration", completion(turn.completionToken, id=2))
    ended = await client.wait_for_completion("i1", None, 1.0)
    assert ended is not None
    assert ended.runtime_status is Status.Completed
    await runtime.stop(0)
    await hub.close()


async def test_the_worker_of_azuremanaged_waits_for_weeks(workers: Workers) -> None:
    def wait(context, _):
        yield context.create_timer(timedelta(days=10))

    worker = DurableTaskSchedulerWorker(
        host_address=workers.url, taskhub="TestHub", token_credential=None, secure_channel=False
    )
    worker.add_orchestrator(wait)
    await workers.connect(worker)
    await workers.begin("wait", "i1")
    await workers.sdk.wait_for_orchestration_start("i1", timeout=30)
    history = []
    while not any(event.HasField("timerCreated") for event in history):
        request = pb.StreamInstanceHistoryRequest(instanceId="i1")
        history = [event async for chunk in workers.stub.StreamInstanceHistory(request) for event in chunk.events]
    state = await workers.sdk.get_orchestration_state("i1")
    assert state is not None
    assert state.runtime_status is OrchestrationStatus.RUNNING
