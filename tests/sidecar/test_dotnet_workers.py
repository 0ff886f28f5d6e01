"""Plain workers for .NET as far as their messages differ: they send DurableTask.Core's requests to entities themselves.

A test plays the worker; the requests are what Core writes.
"""

import json
from typing import Any

import pytest
from workers_world import RawWorker, Workers

from durable_host.durable.model.events import EventRaised, EventSent
from durable_host.durable.proto import StringValue, pb
from durable_host.durable.sdk.v2_events import event_messages

CALL = "6ea57481-9ec8-5d2b-a943-781a2915cc2c"
LOCK = "543db193-119b-5c84-8014-ce617db5a0f0"
_NO_TIME = "0001-01-01T00:00:00"
_LABELS = {"Timestamp": _NO_TIME, "Predecessor": _NO_TIME}


def request_of_core(operation: str | None, id: str, **members: Any) -> str:
    """The text of a request, as DurableTask.Core writes it."""
    more = {"requestTime": "2026-11-28T22:45:57.4202277+00:00"} if operation is not None else {}
    tail = {"IsLockRequest": operation is None, "createTrace": operation is not None, **more}
    return json.dumps({"op": operation, **members, "id": id, "parent": "i", **_LABELS, **tail}, separators=(",", ":"))


def sends(number: int, entity: str, name: str, text: str) -> pb.OrchestratorAction:
    instance = pb.OrchestrationInstance(instanceId=entity)
    return pb.OrchestratorAction(
        id=number, sendEvent=pb.SendEventAction(instance=instance, name=name, data=StringValue(value=text))
    )


def completed(number: int) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(
        id=number,
        completeOrchestration=pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED, result=StringValue(value='"done"')
        ),
    )


class DotNet:
    """A worker that a test plays, with one orchestration `i`."""

    def __init__(self, workers: Workers, raw: RawWorker) -> None:
        self._workers = workers
        self._raw = raw
        self.work = pb.WorkItem()

    async def turn(self) -> pb.OrchestratorRequest:
        """The next turn. Batches of entities before it succeed, with the input as result."""
        while True:
            self.work = await self._raw.next()
            if self.work.HasField("orchestratorRequest"):
                return self.work.orchestratorRequest
            operations = self.work.entityRequestV2.operationRequests
            results = [
                pb.OperationResult(success=pb.OperationResultSuccess(result=self._input(one))) for one in operations
            ]
            await self._workers.stub.CompleteEntityTask(
                pb.EntityBatchResult(
                    completionToken=self.work.completionToken, results=results, entityState=StringValue(value="1")
                )
            )

    async def answer(self, *actions: pb.OrchestratorAction) -> None:
        await self._workers.stub.CompleteOrchestratorTask(
            pb.OrchestratorResponse(instanceId="i", actions=actions, completionToken=self.work.completionToken)
        )

    @staticmethod
    def _input(operation: pb.HistoryEvent) -> StringValue:
        kind = operation.WhichOneof("eventType") or ""
        return StringValue(value=getattr(operation, kind).input.value)


def kinds(events: Any) -> list[str]:
    return [event.WhichOneof("eventType") for event in events]


async def test_call_of_an_entity_is_recorded_and_answered_as_core_does(workers: Workers) -> None:
    async with workers.raw() as raw:
        worker = DotNet(workers, raw)
        await workers.begin("x", "i")
        turn = await worker.turn()
        assert turn.HasField("entityParameters")
        text = request_of_core("Add", CALL, input="3")
        await worker.answer(sends(0, "@counter@k1", "op", text))
        turn = await worker.turn()
        (sent,) = [event for event in turn.pastEvents if event.HasField("eventSent")]
        assert (sent.eventId, sent.eventSent.name, sent.eventSent.input.value) == (0, "op", text)
        assert kinds(turn.newEvents) == ["orchestratorStarted", "eventRaised"]
        raised = turn.newEvents[1].eventRaised
        assert (raised.name, json.loads(raised.input.value)) == (CALL, {"result": "3"})
        await worker.answer(completed(1))
        assert (await workers.end("i")).serialized_output == '"done"'


async def test_locks_of_several_entities_are_granted_and_released_as_core_does(workers: Workers) -> None:
    async with workers.raw() as raw:
        worker = DotNet(workers, raw)
        await workers.begin("x", "i")
        await worker.turn()
        keys = [{"name": "counter", "key": "k1"}, {"name": "counter", "key": "k2"}]
        await worker.answer(sends(0, "@counter@k1", "op", request_of_core(None, LOCK, lockset=keys)))
        turn = await worker.turn()
        raised = turn.newEvents[-1].eventRaised
        assert (raised.name, json.loads(raised.input.value)) == (LOCK, {"result": "Lock Acquisition Completed"})
        await worker.answer(sends(1, "@counter@k2", "op", request_of_core("Add", CALL, input="1")))
        turn = await worker.turn()
        assert turn.newEvents[-1].eventRaised.name == CALL
        release = json.dumps({"parent": "i", "id": LOCK}, separators=(",", ":"))
        await worker.answer(
            *(sends(number, f"@counter@k{number - 1}", "release", release) for number in (2, 3)), completed(4)
        )
        await workers.end("i")
        await workers.begin("x", "j")
        await worker.turn()
        await worker.answer(
            sends(
                0, "@counter@k2", "op", request_of_core("Add", CALL, input="7").replace('"parent":"i"', '"parent":"j"')
            )
        )
        turn = await worker.turn()
        assert json.loads(turn.newEvents[-1].eventRaised.input.value) == {"result": "7"}


async def test_signals_reach_the_entity_also_delayed_ones(workers: Workers) -> None:
    async with workers.raw() as raw:
        worker = DotNet(workers, raw)
        await workers.begin("x", "i")
        await worker.turn()
        due = "2026-01-02T03:09:05.123456Z"
        await worker.answer(
            sends(0, "@counter@k1", "op", request_of_core("Add", CALL, signal=True, input="4")),
            sends(1, "@counter@k1", "op@2026-01-02T03:09:05.1234560Z",
                  request_of_core("Add", LOCK, signal=True, input="5", due=due)),
            completed(2),
        )  # fmt: skip
        seen: list[str] = []
        while len(seen) < 2:
            item = await raw.next()
            operations = item.entityRequestV2.operationRequests
            seen += [one.entityOperationSignaled.input.value for one in operations]
            await workers.stub.CompleteEntityTask(
                pb.EntityBatchResult(
                    completionToken=item.completionToken,
                    results=[pb.OperationResult(success=pb.OperationResultSuccess()) for _ in operations],
                )
            )
        assert sorted(seen) == ["4", "5"]


@pytest.mark.parametrize(
    ("name", "text", "is_native"),
    [
        ("op", request_of_core("Add", CALL, input="3"), False),
        ("op", request_of_core(None, CALL, lockset=[{"name": "a", "key": "b"}]), False),
        ("release", json.dumps({"parent": "i", "id": CALL}), False),
        ("op", json.dumps({"op": "Add", "id": CALL, "parent": "i", **_LABELS}), True),
        ("release", json.dumps({"op": None, "id": CALL, "parent": "i", **_LABELS}), True),
    ],
)
def test_request_and_answer_have_the_form_that_the_worker_used(name: str, text: str, is_native: bool) -> None:
    sent = EventSent(event_id=0, instance_id="@counter@k1", name=name, input=text)
    answer = EventRaised(name=CALL.upper(), input='{"result":"3"}')
    first, second = kinds(event_messages([sent, answer], native_entities=True))
    assert (first == "eventSent") is not is_native
    if name == "op":
        assert (second == "eventRaised") is not is_native
