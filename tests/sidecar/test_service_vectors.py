"""Bytes that clients and workers of the SDKs send and expect."""

import asyncio
import base64
from typing import Any

import grpc.aio
import pytest
from sidecar_world import Sidecar
from workers_world import PATIENCE

from durable_host.durable.model.events import OrchestrationInstance, TaskScheduled
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.proto import pb
from durable_host.durable.sidecar.workers.operations import complete_activity
from durable_host.durable.sidecar.workers.work_stream import WorkStream
from durable_host.durable.sidecar.workers.worker_code import WorkerCode
from durable_host.durable.user_code import ActivityOutcome

START = "CgJpMRIFY2hhaW4iCgoIeyJhIjogMX0="
RAISE = "CgJpMRICR28aDgoMeyJieSI6ICJtZSJ9"
TERMINATE = "CgJpMRILCgkic3RvcCBpdCIYAQ=="
SUSPEND = "CgJpMRIFCgN3aHk="
GET = "CgJpMRAB"
PURGE = "CgJpMRgBKAE="
GET_WORK = "CAoQCloHEgUKA2FjdA=="
WORK_ITEM = "EhgKA2FjdBoDCgE1IgoKAmkxEgQKAmUxKAFSAnQx"
COMPLETE = "CgJpMRABGgMKATYqAnQx"


def decoded(text: str) -> bytes:
    return base64.b64decode(text)


async def test_requests_of_the_client_have_their_effect(sidecar: Sidecar) -> None:
    async def call(method: str, text: str, response: Any) -> Any:
        return response.FromString(await channel.unary_unary(f"/TaskHubSidecarService/{method}")(decoded(text)))

    async with grpc.aio.insecure_channel(sidecar.target) as channel:
        assert (await call("StartInstance", START, pb.CreateInstanceResponse)).instanceId == "i1"
        state = (await call("GetInstance", GET, pb.GetInstanceResponse)).orchestrationState
        assert (state.name, state.input.value) == ("chain", '{"a": 1}')
        await call("SuspendInstance", SUSPEND, pb.SuspendResponse)
        await call("RaiseEvent", RAISE, pb.RaiseEventResponse)
        await call("TerminateInstance", TERMINATE, pb.TerminateResponse)
        ended = await sidecar.sdk.wait_for_orchestration_completion("i1", timeout=PATIENCE)
        assert ended.serialized_output == '"stop it"'
        assert (await call("PurgeInstances", PURGE, pb.PurgeInstancesResponse)).deletedInstanceCount == 1


async def test_work_items_and_their_answers_are_as_a_worker_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_version(instance_id: str) -> str | None:
        return None

    monkeypatch.setattr("durable_host.durable.sidecar.workers.board.uuid.uuid4", lambda: "t1")
    code = WorkerCode(no_version)
    request = pb.GetWorkItemsRequest.FromString(decoded(GET_WORK))
    stream = WorkStream(request, size_limit=None)
    assert stream.limits == {"orchestration": 10, "activity": 10, "entity": 0}
    code.board.connect(stream)
    message = TaskMessage(TaskScheduled(event_id=1, name="act", input="5"), OrchestrationInstance("i1", "e1"))
    running = asyncio.create_task(code.run_activity_request(message, None))
    items = stream.items()
    assert pb.WorkItem.FromString(await anext(items)).HasField("healthPing")
    assert await anext(items) == decoded(WORK_ITEM)
    complete_activity(code.board, pb.ActivityResponse.FromString(decoded(COMPLETE)))
    assert await running == ActivityOutcome(result="6")
