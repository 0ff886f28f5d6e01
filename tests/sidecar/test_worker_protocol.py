"""The worker endpoint, with workers that tests play message by message: correctly, incorrectly, or not at all."""

import asyncio
import random
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from durabletask.client import OrchestrationStatus
from google.protobuf.wrappers_pb2 import Int32Value, StringValue
from sidecar_world import Sidecar
from workers_world import RawWorker, Workers, serving_workers

from durable_host.durable.proto import pb, service
from durable_host.durable.runtime import gathering
from durable_host.durable.sidecar.workers import board as boards
from durable_host.durable.sidecar.workers import operations


def completion(token: str, result: str = "1", *, id: int = 1, **fields: Any) -> pb.OrchestratorResponse:
    done = pb.CompleteOrchestrationAction(
        orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED, result=StringValue(value=result)
    )
    actions = [pb.OrchestratorAction(id=id, completeOrchestration=done)]
    return pb.OrchestratorResponse(completionToken=token, actions=actions, **fields)


def scheduling(token: str, *names: str, **fields: Any) -> pb.OrchestratorResponse:
    actions = [
        pb.OrchestratorAction(id=number, scheduleTask=pb.ScheduleTaskAction(name=name))
        for number, name in enumerate(names, 1)
    ]
    return pb.OrchestratorResponse(completionToken=token, actions=actions, **fields)


async def test_a_turn_goes_out_once_and_its_answer_counts_once(workers: Workers) -> None:
    async with workers.raw() as worker:
        await workers.begin("one", "i1", input=5)
        item = await worker.next()
        request = item.orchestratorRequest
        assert (request.instanceId, len(request.pastEvents), len(request.newEvents)) == ("i1", 0, 2)
        assert request.newEvents[1].executionStarted.input.value == "5"
        await workers.stub.CompleteOrchestratorTask(completion(item.completionToken))
        await workers.stub.CompleteOrchestratorTask(completion(item.completionToken, "2"))
        assert (await workers.end("i1")).serialized_output == "1"


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("CompleteOrchestratorTask", pb.OrchestratorResponse(completionToken="nobody's")),
        ("CompleteActivityTask", pb.ActivityResponse(completionToken="nobody's")),
        ("CompleteEntityTask", pb.EntityBatchResult()),
    ],
)
async def test_an_unknown_token_is_not_found(workers: Workers, method: str, message: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await getattr(workers.stub, method)(message)
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_token_of_another_kind_is_not_found_and_the_work_continues(workers: Workers) -> None:
    async with workers.raw() as worker:
        await workers.begin("one", "i1")
        token = (await worker.next()).completionToken
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await workers.stub.CompleteActivityTask(pb.ActivityResponse(completionToken=token))
        assert failure.value.code() is grpc.StatusCode.NOT_FOUND
        await workers.stub.CompleteOrchestratorTask(completion(token))
        await workers.end("i1")


async def test_a_fan_out_gets_its_results_in_one_turn(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAUSE_PER_EVENT", "WAIT_PER_EVENT", "LONGEST_WAIT"):
        monkeypatch.setattr(gathering, name, 60.0)
    async with workers.raw() as worker:
        await workers.begin("one", "i1")
        await workers.stub.CompleteOrchestratorTask(scheduling((await worker.next()).completionToken, "a", "b", "c"))
        for _ in range(3):
            await workers.stub.CompleteActivityTask(
                pb.ActivityResponse(completionToken=(await worker.next()).completionToken)
            )
        item = await worker.next()
        kinds = [event.WhichOneof("eventType") for event in item.orchestratorRequest.newEvents]
        assert kinds == ["orchestratorStarted", "taskCompleted", "taskCompleted", "taskCompleted"]
        await workers.stub.CompleteOrchestratorTask(completion(item.completionToken, id=4))
        await workers.end("i1")


async def test_what_a_vanished_worker_had_goes_to_the_next_one(workers: Workers) -> None:
    async with workers.raw() as first:
        await workers.begin("one", "i1")
        lost = (await first.next()).completionToken
    async with workers.raw() as second:
        item = await second.next()
        assert item.completionToken != lost
        await workers.stub.CompleteOrchestratorTask(scheduling(item.completionToken, "act"))
        activity = await second.next()
        assert (activity.activityRequest.name, activity.activityRequest.taskId) == ("act", 1)
    async with workers.raw() as third:
        again = await third.next()
        assert again.activityRequest.name == "act"
        answer = pb.ActivityResponse(completionToken=again.completionToken, result=StringValue(value='"x"'))
        await workers.stub.CompleteActivityTask(answer)
        last = await third.next()
        await workers.stub.CompleteOrchestratorTask(completion(last.completionToken, id=2))
        await workers.end("i1")


async def test_abandoned_work_comes_again(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "ABANDONED_FOR_SECONDS", 0.01)
    async with workers.raw() as worker:
        await workers.begin("one", "i1")
        first = await worker.next()
        request = pb.AbandonOrchestrationTaskRequest(completionToken=first.completionToken)
        await workers.stub.AbandonTaskOrchestratorWorkItem(request)
        await workers.stub.AbandonTaskOrchestratorWorkItem(request)
        second = await worker.next()
        assert second.completionToken != first.completionToken
        await workers.stub.CompleteOrchestratorTask(completion(second.completionToken))
        await workers.end("i1")


async def test_a_worker_has_no_more_open_items_than_it_requested(workers: Workers) -> None:
    async with workers.raw(maxConcurrentOrchestrationWorkItems=1) as worker:
        for number in range(3):
            await workers.begin("one", f"i{number}")
        for _ in range(3):
            item = await worker.next()
            assert sum(len(stream.open) for stream in workers.board._streams) == 1
            await workers.stub.CompleteOrchestratorTask(completion(item.completionToken))
        for number in range(3):
            await workers.end(f"i{number}")


async def test_filters_name_functions_and_versions(workers: Workers) -> None:
    filters = pb.WorkItemFilters(
        orchestrations=[pb.OrchestrationFilter(name="one", versions=["2"])],
        activities=[pb.ActivityFilter(name="act", versions=["2"])],
    )
    async with workers.raw(workItemFilters=filters) as worker:
        await workers.begin("two", "other")
        await workers.begin("one", "old", version="1")
        await workers.begin("one", "new", version="2")
        item = await worker.next()
        assert item.orchestratorRequest.instanceId == "new"
        await workers.stub.CompleteOrchestratorTask(scheduling(item.completionToken, "other", "act"))
        activity = await worker.next()
        assert activity.activityRequest.name == "act"
    async with workers.raw() as everything:
        got = {(await everything.next()).WhichOneof("request") for _ in range(4)}
        assert got == {"orchestratorRequest", "activityRequest"}


async def test_an_answer_may_come_in_parts(workers: Workers) -> None:
    async with workers.raw() as worker:
        await workers.begin("one", "i1")
        token = (await worker.next()).completionToken
        await workers.stub.CompleteOrchestratorTask(scheduling(token, "a", isPartial=True, chunkIndex=Int32Value()))
        second = pb.OrchestratorResponse(
            completionToken=token,
            actions=[pb.OrchestratorAction(id=2, scheduleTask=pb.ScheduleTaskAction(name="b"))],
            chunkIndex=Int32Value(value=1),
        )
        await workers.stub.CompleteOrchestratorTask(second)
        assert {(await worker.next()).activityRequest.name for _ in range(2)} == {"a", "b"}


async def test_a_long_history_is_fetched_by_a_worker_that_can(workers: Workers) -> None:
    large = '"' + "x" * 700_000 + '"'
    async with workers.raw(capabilities=[pb.WORKER_CAPABILITY_HISTORY_STREAMING]) as worker:
        await workers.begin("one", "i1")
        await workers.stub.CompleteOrchestratorTask(scheduling((await worker.next()).completionToken, "a", "b"))
        for _ in range(2):
            token = (await worker.next()).completionToken
            answer = pb.ActivityResponse(completionToken=token, result=StringValue(value=large))
            await workers.stub.CompleteActivityTask(answer)
        while True:
            item = await worker.next()
            request = item.orchestratorRequest
            if request.requiresHistoryStreaming:
                break
            response = pb.OrchestratorResponse(completionToken=item.completionToken)
            await workers.stub.CompleteOrchestratorTask(response)
            await workers.sdk.raise_orchestration_event("i1", "go")
        assert not request.pastEvents
        ask = pb.StreamInstanceHistoryRequest(instanceId="i1", forWorkItemProcessing=True)
        events = [event async for chunk in workers.stub.StreamInstanceHistory(ask) for event in chunk.events]
        assert events[1].WhichOneof("eventType") == "executionStarted"
        assert sum(event.HasField("taskCompleted") for event in events) == 2


async def test_what_no_worker_can_receive_fails_with_a_reason(tmp_path: Path, stops: Executor) -> None:
    async with (
        serving_workers(tmp_path / "hub.db", stops, max_grpc_message_size=100_000) as workers,
        workers.raw() as worker,
    ):
        await workers.begin("one", "i1")
        item = await worker.next()
        await workers.stub.CompleteOrchestratorTask(scheduling(item.completionToken, "act"))
        activity = await worker.next()
        result = StringValue(value='"' + "x" * 200_000 + '"')
        await workers.stub.CompleteActivityTask(
            pb.ActivityResponse(completionToken=activity.completionToken, result=result)
        )
        state = await workers.end("i1")
        assert state.runtime_status is OrchestrationStatus.FAILED
        assert "the limit is 100000" in state.failure_details.message


async def test_work_that_is_too_large_for_one_worker_goes_to_one_that_can_receive_it(
    tmp_path: Path, stops: Executor
) -> None:
    async with serving_workers(tmp_path / "hub.db", stops, max_grpc_message_size=100_000) as workers:
        agent = [("grpc.primary_user_agent", "grpc-node-js/1.8")]
        async with (
            workers.raw() as limited,
            grpc.aio.insecure_channel(workers.url.removeprefix("http://"), options=agent) as channel,
        ):
            call = service.TaskHubSidecarServiceStub(channel).GetWorkItems(
                pb.GetWorkItemsRequest(maxConcurrentOrchestrationWorkItems=1)
            )
            await call.read()  # the first ping
            unlimited = RawWorker(call)
            await workers.begin("one", "i1")
            turn = await limited.next()
            await workers.begin("one", "busy")
            busy = await unlimited.next()
            await workers.stub.CompleteOrchestratorTask(scheduling(turn.completionToken, "act"))
            activity = await limited.next()
            result = StringValue(value='"' + "x" * 200_000 + '"')
            await workers.stub.CompleteActivityTask(
                pb.ActivityResponse(completionToken=activity.completionToken, result=result)
            )
            await workers.begin("one", "small")
            assert (await limited.next()).orchestratorRequest.instanceId == "small"
            await workers.stub.CompleteOrchestratorTask(completion(busy.completionToken))
            large = await unlimited.next()
            assert large.orchestratorRequest.instanceId == "i1"
            await workers.stub.CompleteOrchestratorTask(completion(large.completionToken, id=2))
            assert (await workers.end("i1")).runtime_status is OrchestrationStatus.COMPLETED
            call.cancel()


async def test_a_recursive_termination_reaches_a_child_that_is_scheduled_at_the_same_time(workers: Workers) -> None:
    child = pb.CreateSubOrchestrationAction(instanceId="child", name="two")
    ended = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_TERMINATED)

    async def end_what_is_terminated(worker: RawWorker) -> None:
        while True:
            item = await worker.next()
            is_terminated = any(one.HasField("executionTerminated") for one in item.orchestratorRequest.newEvents)
            actions = [pb.OrchestratorAction(id=2, completeOrchestration=ended)] if is_terminated else []
            answer = pb.OrchestratorResponse(completionToken=item.completionToken, actions=actions)
            await workers.stub.CompleteOrchestratorTask(answer)

    async with workers.raw() as worker:
        await workers.begin("one", "parent")
        turn = await worker.next()
        await workers.stub.TerminateInstance(pb.TerminateRequest(instanceId="parent", recursive=True))
        actions = [pb.OrchestratorAction(id=1, createSubOrchestration=child)]
        answer = pb.OrchestratorResponse(completionToken=turn.completionToken, actions=actions)
        await workers.stub.CompleteOrchestratorTask(answer)
        running = asyncio.create_task(end_what_is_terminated(worker))
        for instance_id in ("parent", "child"):
            assert (await workers.end(instance_id)).runtime_status is OrchestrationStatus.TERMINATED
        running.cancel()


async def test_a_silent_worker_loses_its_turn_to_another_one(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "TURN_PATIENCE", 0.05)
    async with workers.raw() as silent:
        await workers.begin("one", "i1")
        kept = (await silent.next()).completionToken
        async with workers.raw() as other:
            item = await other.next()
            assert item.completionToken != kept
            await workers.stub.CompleteOrchestratorTask(completion(item.completionToken, "2"))
            assert (await workers.end("i1")).serialized_output == "2"
        await workers.stub.CompleteOrchestratorTask(completion(kept, "1"))


async def test_a_lone_worker_that_has_lost_its_work_gets_it_again(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "TURN_PATIENCE", 0.05)
    async with workers.raw() as worker:
        await workers.begin("one", "i1")
        first, second = await worker.next(), await worker.next()
        assert second.orchestratorRequest.instanceId == "i1"
        assert second.completionToken != first.completionToken
        await workers.stub.CompleteOrchestratorTask(completion(second.completionToken))
        await workers.end("i1")


async def test_an_entity_without_any_result_fails_its_operations(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("durable_host.durable.sidecar.workers.worker_code._BATCH_RETRY_SECONDS", 0)
    async with workers.raw() as worker:
        await workers.stub.SignalEntity(pb.SignalEntityRequest(instanceId="@e@k", name="op"))
        for _ in range(3):
            item = await worker.next()
            assert item.entityRequestV2.instanceId == "@e@k"
            await workers.stub.CompleteEntityTask(pb.EntityBatchResult(completionToken=item.completionToken))
        await workers.until(lambda: not workers.runtime.running_work_items)


async def test_a_host_of_an_app_takes_no_workers(sidecar: Sidecar) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await sidecar.stub.GetWorkItems(pb.GetWorkItemsRequest()).read()
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "func durable serve" in (failure.value.details() or "")


_METHODS = [one.name for one in pb.DESCRIPTOR.services_by_name["TaskHubSidecarService"].methods]


async def test_garbage_is_refused_and_work_continues(workers: Workers) -> None:
    """Bytes that are no message, tokens of nobody, streams that nobody reads, callers that vanish."""
    generator = random.Random(2)
    async with grpc.aio.insecure_channel(workers.url.removeprefix("http://")) as channel:
        streams = [
            workers.stub.GetWorkItems(pb.GetWorkItemsRequest(maxConcurrentActivityWorkItems=1)) for _ in range(3)
        ]
        for method in _METHODS:
            for size in (1, 7, 60, 900):
                call = channel.unary_unary(f"/TaskHubSidecarService/{method}")
                asking = call(generator.randbytes(size), timeout=0.3)
                if generator.random() < 0.3:
                    asking.cancel()
                await asyncio.gather(_ended(asking))
        for stream in streams:
            stream.cancel()
    async with workers.raw() as worker:
        await workers.begin("one", "after")
        while True:
            item = await worker.next()
            if item.orchestratorRequest.instanceId == "after":
                break
        await workers.stub.CompleteOrchestratorTask(completion(item.completionToken))
        assert (await workers.end("after")).runtime_status is OrchestrationStatus.COMPLETED


async def _ended(call: Any) -> None:
    try:
        await call
    except (grpc.aio.AioRpcError, asyncio.CancelledError, grpc.aio.UsageError):
        return


@pytest.mark.parametrize("seed", range(3))
async def test_random_answers_end_an_instance_or_leave_it_to_be_terminated(workers: Workers, seed: int) -> None:
    """Actions with odd numbers, unknown kinds, empty names: nothing makes an instance that cannot be ended."""
    generator = random.Random(seed)
    async with workers.raw() as worker:
        names = [f"i{number}" for number in range(8)]
        for name in names:
            await workers.begin("one", name)
        for _ in names:
            item = await worker.next()
            response = pb.OrchestratorResponse(
                completionToken=item.completionToken, actions=[_random_action(generator) for _ in range(3)]
            )
            await _ended(workers.stub.CompleteOrchestratorTask(response))
        for name in names:
            await _ended(workers.stub.TerminateInstance(pb.TerminateRequest(instanceId=name)))

        async def answer() -> None:
            while True:
                item = await worker.next()
                kind = item.WhichOneof("request")
                if kind == "orchestratorRequest":
                    await _ended(workers.stub.CompleteOrchestratorTask(completion(item.completionToken, id=99)))
                elif kind == "activityRequest":
                    response = pb.ActivityResponse(completionToken=item.completionToken)
                    await _ended(workers.stub.CompleteActivityTask(response))

        answering = asyncio.create_task(answer())
        try:
            for name in names:
                await workers.end(name)
        finally:
            answering.cancel()


def _random_action(generator: random.Random) -> pb.OrchestratorAction:
    id = generator.choice([-1, 0, 1, 2, 3, 2**31 - 1])
    match generator.randrange(6):
        case 0:
            return pb.OrchestratorAction(id=id)
        case 1:
            return pb.OrchestratorAction(id=id, scheduleTask=pb.ScheduleTaskAction(name=generator.choice(["", "a"])))
        case 2:
            return pb.OrchestratorAction(id=id, createTimer=pb.CreateTimerAction())
        case 3:
            return pb.OrchestratorAction(
                id=id, sendEvent=pb.SendEventAction(instance=pb.OrchestrationInstance(instanceId="nobody"), name="x")
            )
        case 4:
            return pb.OrchestratorAction(
                id=id, sendEntityMessage=pb.SendEntityMessageAction(entityOperationSignaled={"requestId": "x"})
            )
        case _:
            return pb.OrchestratorAction(id=id, terminateOrchestration={"instanceId": "nobody"})
