"""Work whose worker disconnects each time is given up; other work of these workers is not."""

from collections.abc import Callable
from typing import Any

import pytest
from durabletask.client import OrchestrationStatus
from google.protobuf.wrappers_pb2 import StringValue
from test_worker_protocol import completion, scheduling
from workers_world import RawWorker, Workers

from durable_host.durable.proto import pb
from durable_host.durable.sidecar.workers import board as boards
from durable_host.durable.sidecar.workers import work as works


async def lose(workers: Workers, count: int, **expected: str) -> None:
    """Take the next item and disconnect, so many times."""
    for _ in range(count):
        async with workers.raw() as worker:
            item = await worker.next()
            for kind, name in expected.items():
                assert getattr(item, kind).name == name
        await workers.until(lambda: workers.board.worker_count == 0)


async def begin_activities(workers: Workers, instance_id: str, *names: str) -> None:
    await workers.begin("one", instance_id)
    async with workers.raw(workItemFilters=filters(orchestrations="one")) as worker:
        item = await worker.next()
        await workers.stub.CompleteOrchestratorTask(scheduling(item.completionToken, *names))
    await workers.until(lambda: workers.board.worker_count == 0)


async def failed_task(worker: RawWorker) -> pb.TaskFailureDetails:
    item = await worker.next()
    failures = [one for one in item.orchestratorRequest.newEvents if one.HasField("taskFailed")]
    return failures[0].taskFailed.failureDetails


async def test_an_activity_that_disconnects_its_worker_each_time_fails_after_three(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    await begin_activities(workers, "i1", "bad")
    await lose(workers, 3, activityRequest="bad")
    async with workers.raw() as worker:
        failure = await failed_task(worker)
    expected = "The activity was tried 3 times and never finished: its worker disconnected (3 times)."
    assert expected in failure.errorMessage
    assert failure.errorType == "WorkerLost"
    assert f"'bad' fails. {expected}" in caplog.text


async def test_a_turn_that_disconnects_its_worker_each_time_fails_the_orchestration(workers: Workers) -> None:
    await workers.begin("one", "i1")
    await lose(workers, 3)
    state = await workers.end("i1")
    assert state.runtime_status is OrchestrationStatus.FAILED
    assert "was tried 3 times and never finished: its worker disconnected (3 times)" in state.failure_details.message


async def test_operations_that_disconnect_their_worker_each_time_fail(workers: Workers) -> None:
    call = pb.EntityOperationCalledEvent(
        requestId="6c57d1a8-f8e9-4f3c-9a54-5bb9b1a0a111",
        operation="add",
        parentInstanceId=StringValue(value="i1"),
        targetInstanceId=StringValue(value="@counter@k"),
    )
    action = pb.OrchestratorAction(id=1, sendEntityMessage=pb.SendEntityMessageAction(entityOperationCalled=call))
    await workers.begin("one", "i1")
    async with workers.raw() as worker:
        item = await worker.next()
        await workers.stub.CompleteOrchestratorTask(
            pb.OrchestratorResponse(completionToken=item.completionToken, actions=[action])
        )
        assert (await worker.next()).HasField("entityRequestV2")
    await workers.until(lambda: workers.board.worker_count == 0)
    await lose(workers, 2)
    async with workers.raw() as worker:
        item = await worker.next()
    failures = [one for one in item.orchestratorRequest.newEvents if one.HasField("entityOperationFailed")]
    assert "never finished" in failures[0].entityOperationFailed.failureDetails.errorMessage


async def test_other_work_of_the_lost_workers_runs_alone_and_finishes(workers: Workers) -> None:
    await begin_activities(workers, "i1", "bad", "good")
    for _ in range(2):
        async with workers.raw() as worker:
            assert {(await worker.next()).activityRequest.name for _ in range(2)} == {"bad", "good"}
        await workers.until(lambda: workers.board.worker_count == 0)
    async with workers.raw() as worker:
        alone = await worker.next()
        assert len(next(iter(workers.board._streams)).open) == 1
        if alone.activityRequest.name == "bad":
            worker.call.cancel()
            await workers.until(lambda: workers.board.worker_count == 0)
    async with workers.raw() as worker:
        results: dict[str, Any] = {}
        while len(results) < 2:
            item = await worker.next()
            match item.WhichOneof("request"):
                case "activityRequest":
                    assert item.activityRequest.name == "good"
                    await workers.stub.CompleteActivityTask(
                        pb.ActivityResponse(completionToken=item.completionToken, result=StringValue(value='"fine"'))
                    )
                case _:
                    for event in item.orchestratorRequest.newEvents:
                        if event.HasField("taskFailed"):
                            results["bad"] = event.taskFailed.failureDetails.errorType
                        if event.HasField("taskCompleted"):
                            results["good"] = event.taskCompleted.result.value
                    await workers.stub.CompleteOrchestratorTask(
                        completion(item.completionToken, id=3)
                        if len(results) == 2
                        else pb.OrchestratorResponse(completionToken=item.completionToken)
                    )
        assert results == {"bad": "WorkerLost", "good": '"fine"'}


async def test_a_suspect_waits_for_a_worker_that_has_nothing_else(workers: Workers) -> None:
    await begin_activities(workers, "i1", "bad")
    await lose(workers, 2)
    async with workers.raw(workItemFilters=filters(orchestrations="one", activities="other")) as worker:
        await workers.begin("one", "i2")
        turn = await worker.next()
        async with workers.raw() as second:
            item = await second.next()
            assert item.activityRequest.name == "bad"
            await workers.begin("one", "i3")
            assert (await worker.next()).orchestratorRequest.instanceId == "i3"
        await workers.stub.CompleteOrchestratorTask(completion(turn.completionToken))


async def test_a_suspect_does_not_wait_forever(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "ACTIVITY_PATIENCE", 0.05)
    await begin_activities(workers, "i1", "bad", "long")
    async with workers.raw(workItemFilters=filters(activities="bad")) as worker:
        await worker.next()
    async with workers.raw(workItemFilters=filters(activities="bad")) as worker:
        await worker.next()
    await workers.until(lambda: workers.board.worker_count == 0)
    async with workers.raw(workItemFilters=filters(activities="long")) as worker:
        await worker.next()
    await workers.until(lambda: workers.board.worker_count == 0)
    async with workers.raw() as worker:
        names = {(await worker.next()).activityRequest.name for _ in range(2)}
    assert names == {"bad", "long"}


async def test_work_that_is_never_alone_fails_after_more_tries(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(works, "MAX_UNCERTAIN_TRIES", 2)
    await begin_activities(workers, "i1", "bad", "good")
    for _ in range(2):
        async with workers.raw() as worker:
            for _ in range(2):
                await worker.next()
        await workers.until(lambda: workers.board.worker_count == 0)
    async with workers.raw() as worker:
        assert "was tried 2 times" in (await failed_task(worker)).errorMessage


def filters(**names: str) -> pb.WorkItemFilters:
    make: dict[str, Callable[..., Any]] = {"orchestrations": pb.OrchestrationFilter, "activities": pb.ActivityFilter}
    return pb.WorkItemFilters(**{kind: [make[kind](name=name)] for kind, name in names.items()})
