"""What else the Durable Task SDK for Python does with a task hub: versions, history export, payloads kept outside."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from durabletask import task
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus, TaskHubGrpcClient
from durabletask.extensions.history_export import ExportHistoryClient
from durabletask.extensions.history_export.models import (
    ExportDestination,
    ExportJobCreationOptions,
    ExportJobStatus,
    ExportMode,
)
from durabletask.payload import LargePayloadStorageOptions, PayloadStore
from durabletask.worker import (
    TaskHubGrpcWorker,
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
)
from workers_world import PATIENCE, Workers

from durable_host.durable.proto import StringValue, pb
from durable_host.durable.sidecar.workers import operations


def act_version(ctx: task.ActivityContext, text: str) -> str:
    return text


def tells_version(ctx: task.OrchestrationContext, _: Any) -> Any:
    said = yield ctx.call_activity(act_version, input="said")
    return [ctx.version, said]


def parent(ctx: task.OrchestrationContext, _: Any) -> Any:
    default = yield ctx.call_sub_orchestrator(tells_version)
    given = yield ctx.call_sub_orchestrator(tells_version, version="1.0.0")
    return [ctx.version, default[0], given[0]]


async def versioned(workers: Workers, *functions: Any, **options: Any) -> TaskHubGrpcWorker:
    """A worker of a version, once it is connected."""
    worker = TaskHubGrpcWorker(host_address=workers.url)
    for function in functions:
        (worker.add_activity if function.__name__.startswith("act") else worker.add_orchestrator)(function)
    worker.use_versioning(VersioningOptions(**options))
    return await workers.connect(worker)


@pytest.mark.parametrize(
    ("strategy", "version", "status"),
    [
        (VersionMatchStrategy.STRICT, "2.0.0", OrchestrationStatus.COMPLETED),
        (VersionMatchStrategy.STRICT, "1.0.0", OrchestrationStatus.FAILED),
        (VersionMatchStrategy.CURRENT_OR_OLDER, "1.0.0", OrchestrationStatus.COMPLETED),
        (VersionMatchStrategy.CURRENT_OR_OLDER, "3.0.0", OrchestrationStatus.FAILED),
    ],
)
async def test_worker_fails_versions_that_do_not_match(
    workers: Workers, strategy: VersionMatchStrategy, version: str, status: OrchestrationStatus
) -> None:
    await versioned(
        workers, tells_version, act_version,
        version="2.0.0", match_strategy=strategy, failure_strategy=VersionFailureStrategy.FAIL,
    )  # fmt: skip
    state = await workers.result("tells_version", "i", version=version)
    assert state.runtime_status == status
    if status == OrchestrationStatus.FAILED:
        assert state.failure_details.error_type == "VersionMismatch"


async def test_version_that_one_worker_rejects_waits_for_another(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "ABANDONED_FOR_SECONDS", 0.01)
    strict = {"match_strategy": VersionMatchStrategy.STRICT, "failure_strategy": VersionFailureStrategy.REJECT}
    await versioned(workers, tells_version, act_version, version="1.0.0", **strict)
    await workers.begin("tells_version", "i", version="2.0.0")
    state = await workers.sdk.get_orchestration_state("i")
    assert state is not None
    assert state.runtime_status in {OrchestrationStatus.PENDING, OrchestrationStatus.RUNNING}
    await versioned(workers, tells_version, act_version, version="2.0.0", **strict)
    assert (await workers.end("i")).get_output() == ["2.0.0", "said"]


async def test_children_get_the_workers_default_version_or_their_own(workers: Workers) -> None:
    await versioned(
        workers, parent, tells_version, act_version,
        version="2.0.0", default_version="1.5.0", match_strategy=VersionMatchStrategy.CURRENT_OR_OLDER,
        failure_strategy=VersionFailureStrategy.FAIL,
    )  # fmt: skip
    state = await workers.result("parent", "i", version="2.0.0")
    assert state.get_output() == ["2.0.0", "1.5.0", "1.0.0"]


class Writer:
    """Keeps what is exported."""

    def __init__(self) -> None:
        self.written: dict[str, bytes] = {}

    def write(
        self,
        *,
        instance_id: str,
        container: str,
        blob_name: str,
        payload: bytes,
        content_type: str,
        content_encoding: str | None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.written[instance_id] = payload


async def test_history_of_ended_instances_is_exported(workers: Workers) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=1)
    writer = Writer()
    with TaskHubGrpcClient(host_address=workers.url) as client:
        export = ExportHistoryClient(client, writer)
        worker = TaskHubGrpcWorker(host_address=workers.url)
        for function in (tells_version, parent):
            worker.add_orchestrator(function)
        worker.add_activity(act_version)
        export.register_worker(worker)
        await workers.connect(worker)
        ids = [f"i{number}" for number in range(7)]
        for id in ids:
            await workers.result("tells_version", id)
        options = ExportJobCreationOptions(
            ExportMode.BATCH,
            begun,
            ExportDestination("exports"),
            completed_time_to=datetime.now(UTC),
            max_instances_per_batch=3,
        )
        job = await asyncio.to_thread(export.create_job, options, job_id="job")
        done = await asyncio.to_thread(export.wait_for_job, job.job_id, timeout=PATIENCE, poll_interval=0.02)
        assert done.status is ExportJobStatus.COMPLETED
        assert sorted(writer.written) == ids
        await asyncio.to_thread(export.delete_job, "job")
        async with asyncio.timeout(PATIENCE):  # the job's entity is only signaled
            while await asyncio.to_thread(export.get_job, "job") is not None:
                pass


class Drawer(PayloadStore):
    """A payload store in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    @property
    def options(self) -> LargePayloadStorageOptions:
        return LargePayloadStorageOptions(threshold_bytes=1000, enable_compression=False)

    def upload(self, data: bytes, *, instance_id: str | None = None) -> str:
        token = f"blob:v1:drawer:{uuid.uuid4().hex}"
        self.kept[token] = data
        return token

    async def upload_async(self, data: bytes, *, instance_id: str | None = None) -> str:
        return self.upload(data)

    def download(self, token: str) -> bytes:
        return self.kept[token]

    async def download_async(self, token: str) -> bytes:
        return self.kept[token]

    def is_known_token(self, value: str) -> bool:
        return value in self.kept


def act_double(ctx: task.ActivityContext, text: str) -> str:
    return text + text


def large(ctx: task.OrchestrationContext, text: str) -> Any:
    doubled = yield ctx.call_activity(act_double, input=text)
    event = yield ctx.wait_for_external_event("go")
    return [len(text), len(doubled), len(event), doubled]


async def test_payloads_kept_outside_pass_as_tokens(workers: Workers) -> None:
    drawer = Drawer()
    await workers.start(large, act_double, payload_store=drawer)
    async with AsyncTaskHubGrpcClient(host_address=workers.url, payload_store=drawer) as client:
        await client.schedule_new_orchestration("large", instance_id="i", input="x" * 5000)
        await client.raise_orchestration_event("i", "go", data="y" * 3000)
        state = await client.wait_for_orchestration_completion("i", timeout=PATIENCE)
    assert state is not None
    assert state.get_output() == [5000, 10000, 3000, "x" * 10000]
    row = await workers.hub.get_instance("i")
    assert row is not None
    assert {json.loads(text) if text.startswith('"') else text for text in (row.input or "", row.output or "")} <= set(
        drawer.kept
    )


SPAN = "b7ad6b7169203331"
TRACE = f"00-0af7651916cd43dd8448eb211c80319c-{SPAN}-01"


async def test_trace_of_the_caller_reaches_orchestration_and_activity(workers: Workers) -> None:
    async with workers.raw() as worker:
        await workers.stub.StartInstance(
            pb.CreateInstanceRequest(
                instanceId="i",
                name="x",
                parentTraceContext=pb.TraceContext(traceParent=TRACE, spanID="b7ad6b7169203331"),
            )
        )
        turn = await worker.next()
        started = next(one for one in turn.orchestratorRequest.newEvents if one.HasField("executionStarted"))
        context = started.executionStarted.parentTraceContext
        assert context.traceParent.split("-")[1] == TRACE.split("-")[1]
        action = pb.OrchestratorAction(
            id=1, scheduleTask=pb.ScheduleTaskAction(name="a", parentTraceContext=context, input=StringValue(value="1"))
        )
        answer = pb.OrchestratorResponse(instanceId="i", actions=[action], completionToken=turn.completionToken)
        answer.orchestrationTraceContext.spanID.value = "00f067aa0ba902b7"
        await workers.stub.CompleteOrchestratorTask(answer)
        activity = await worker.next()
        assert activity.activityRequest.parentTraceContext.traceParent.split("-")[1] == TRACE.split("-")[1]
        await workers.stub.CompleteActivityTask(
            pb.ActivityResponse(instanceId="i", taskId=1, completionToken=activity.completionToken)
        )
        again = await worker.next()
        assert again.orchestratorRequest.orchestrationTraceContext.spanID.value == "00f067aa0ba902b7"
