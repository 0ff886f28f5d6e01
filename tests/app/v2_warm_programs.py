"""Random programs of the 2.x SDK, with each turn run twice: by a live session and by the SDK's own handle.

Run with an interpreter that has the SDK; says nothing and ends with 0 if every answer is the same:

    python v2_warm_programs.py <folder of durable_host> <first seed> <number of seeds>
"""

import asyncio
import base64
import json
import random
import sys
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])

import azure.durable_functions as df
from durabletask import entities, task
from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from durable_host.worker.orchestrations_v2 import NumberedSessions

app = df.DFApp()
RETRY = df.RetryOptions(1000, 2)
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
MOST_TURNS = 60


def counter(key):
    return entities.EntityInstanceId("Counter", key)


def plain(result):
    if isinstance(result, list):
        return [plain(one) for one in result]
    return type(result).__name__ if isinstance(result, task.Task) else result


def one_of(context, choose, depth=0):
    """A task of the context, drawn from `choose`."""
    kind = choose.randrange(9 if depth < 2 else 6)
    if kind in (0, 1):
        return context.call_activity("echo", input=choose.randrange(5))
    if kind == 2:
        return context.call_activity("fails", input=choose.randrange(5), retry_policy=RETRY)
    if kind == 3:
        return context.create_timer(timedelta(seconds=choose.randrange(1, 5)))
    if kind == 4:
        return context.wait_for_external_event(choose.choice(["A", "b"]))
    if kind == 5:
        return context.call_sub_orchestrator("child", input=choose.randrange(3))
    if kind == 6:
        return context.call_entity(counter(choose.choice("xy")), "get")
    children = [one_of(context, choose, depth + 1) for _ in range(choose.randrange(1, 4))]
    return task.when_any(children) if kind == 7 else task.when_all(children)


@app.orchestration_trigger(context_name="ctx")
def program(ctx, given):
    seed, generation = given
    choose = random.Random(f"{seed}-{generation}")
    told = []
    for number in range(choose.randrange(1, 9)):
        step = choose.randrange(12)
        try:
            if step == 0:
                ctx.set_custom_status({"step": number, "id": ctx.new_uuid()})
            elif step == 1:
                ctx.signal_entity(counter("x"), "add", input=number)
            elif step == 2:
                with (yield ctx.lock_entities([counter("y"), counter("x")])):
                    told.append((yield ctx.call_entity(counter("x"), "get")))
            elif step == 3:
                ctx.send_event("other", "ping", data=number)
            elif step == 4:
                ctx.call_activity("echo", input="nobody waits")
            else:
                result = yield one_of(ctx, choose)
                told.append(plain(result))
                told.append(ctx.current_utc_datetime.isoformat())
        except task.TaskFailedError as error:
            told.append(str(error))
    if choose.randrange(4) == 0 and generation < 2:
        ctx.continue_as_new([seed, generation + 1], save_events=choose.randrange(2) == 0)
        return None
    if choose.randrange(8) == 0:
        raise RuntimeError("the end")
    return told


class Execution:
    """One execution as a host keeps it, and two ways to run its turns."""

    def __init__(self, function, sessions, chance, seed):
        self.function, self.sessions, self.chance, self.seed = function, sessions, chance, seed
        self.clock = BEGIN
        self.generation = 0
        self.fed = self.turns = self.warm = 0
        self.is_suspended = False
        self.begin(json.dumps([seed, 0]), [])

    def begin(self, input, carried):
        self.generation += 1
        self.history, self.fed, self.waiting = [], 0, []
        started = self.event()
        started.executionStarted.name = "program"
        started.executionStarted.input.value = input
        started.executionStarted.orchestrationInstance.instanceId = "i1"
        started.executionStarted.orchestrationInstance.executionId.value = f"e{self.generation}"
        self.new = [started, *carried]

    def event(self, id=-1):
        stamp = Timestamp()
        stamp.FromDatetime(self.clock)
        return pb.HistoryEvent(eventId=id, timestamp=stamp)

    def run(self):
        while self.turns < MOST_TURNS:
            self.turns += 1
            self.clock += timedelta(seconds=1)
            begun = self.event()
            begun.orchestratorStarted.SetInParent()
            response = self.turn([begun, *self.new])
            if not self.apply([begun, *self.new], response):
                return
            self.new = self.new if not self.history else self.next_messages()

    def turn(self, new):
        by_handle = asyncio.run(self.function.function(ctx=_text(self.history, new)))
        key = f"i1|e{self.generation}"
        whole = {"key": key, "until": len(self.history) + len(new), "payload": _text(self.history, new)}
        told = {"need": "history"}
        if self.fed and self.chance.random() < 0.8:
            news = {**whole, "from": self.fed, "payload": _text(self.history[self.fed :], new)}
            told = self.sessions.handle(news, self.function)
            self.warm += "need" not in told
        if told.get("need"):
            told = self.sessions.handle(whole, self.function)
        expected, actual = _read(by_handle), _read(told["response"])
        if expected.SerializeToString(deterministic=True) != actual.SerializeToString(deterministic=True):
            raise SystemExit(f"seed {self.seed}, turn {self.turns}:\nhandle: {expected}\nkept alive: {actual}\n{told}")
        if told.get("stuck") or "failed" in told:
            raise SystemExit(f"seed {self.seed}, turn {self.turns}: {told}")
        return expected

    def apply(self, new, response):
        """Return False if the instance has ended."""
        self.history += new
        self.fed = len(self.history)
        for action in response.actions:
            kind = action.WhichOneof("orchestratorActionType")
            if kind == "completeOrchestration":
                end = action.completeOrchestration
                if end.orchestrationStatus != pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
                    return False
                self.begin(end.result.value, list(end.carryoverEvents))
                return True
            self.carry_out(action, kind)
        done = self.event()
        done.orchestratorCompleted.SetInParent()
        self.history.append(done)
        return True

    def carry_out(self, action, kind):
        event, answer = self.event(action.id), self.event()
        if kind == "scheduleTask":
            event.taskScheduled.name = action.scheduleTask.name
            if action.scheduleTask.name == "fails" and self.chance.random() < 0.7:
                answer.taskFailed.taskScheduledId = action.id
                answer.taskFailed.failureDetails.errorType = "ValueError"
                answer.taskFailed.failureDetails.errorMessage = "boom"
            else:
                answer.taskCompleted.taskScheduledId = action.id
                answer.taskCompleted.result.value = action.scheduleTask.input.value or "null"
        elif kind == "createSubOrchestration":
            event.subOrchestrationInstanceCreated.name = action.createSubOrchestration.name
            event.subOrchestrationInstanceCreated.instanceId = action.createSubOrchestration.instanceId
            answer.subOrchestrationInstanceCompleted.taskScheduledId = action.id
            answer.subOrchestrationInstanceCompleted.result.value = '"child"'
        elif kind == "createTimer":
            event.timerCreated.fireAt.CopyFrom(action.createTimer.fireAt)
            answer.timerFired.timerId = action.id
            answer.timerFired.fireAt.CopyFrom(action.createTimer.fireAt)
        elif kind == "sendEvent":
            event.eventSent.instanceId = action.sendEvent.instance.instanceId
            event.eventSent.name = action.sendEvent.name
            answer = None
        else:
            answer = self.entity_message(action.sendEntityMessage, event)
        self.history.append(event)
        if answer is not None:
            self.waiting.append(answer)

    def entity_message(self, message, event):
        """In the form of DurableTask.Core."""
        kind = message.WhichOneof("EntityMessageType")
        inner = getattr(message, kind)
        event.eventSent.name = "release" if kind == "entityUnlockSent" else "op"
        is_lock = kind == "entityLockRequested"
        target = inner.lockSet[inner.position] if is_lock else inner.targetInstanceId.value
        id = inner.criticalSectionId if kind in ("entityLockRequested", "entityUnlockSent") else inner.requestId
        event.eventSent.instanceId = target
        request = {"op": None if is_lock else getattr(inner, "operation", None), "id": id, "parent": "i1"}
        if kind == "entityOperationSignaled":
            request["signal"] = True
        if is_lock:
            request["lockset"] = [dict(zip(("name", "key"), one[1:].split("@"), strict=True)) for one in inner.lockSet]
        event.eventSent.input.value = json.dumps(request)
        if kind in ("entityOperationSignaled", "entityUnlockSent"):
            return None
        answer = self.event()
        answer.eventRaised.name = id
        answer.eventRaised.input.value = json.dumps({"result": "Lock Acquisition Completed" if is_lock else "3"})
        return answer

    def next_messages(self):
        messages = []
        for _ in range(self.chance.randrange(1, 4)):
            chance = self.chance.random()
            event = self.event()
            if chance < 0.15:
                event.eventRaised.name = self.chance.choice(["a", "B", "c"])
                event.eventRaised.input.value = str(self.chance.randrange(9))
                messages.append(event)
            elif chance < 0.2 or (self.is_suspended and chance < 0.6):
                self.is_suspended = not self.is_suspended
                kind = event.executionSuspended if self.is_suspended else event.executionResumed
                kind.input.value = "why"
                messages.append(event)
            elif chance < 0.21:
                event.executionTerminated.input.value = '"stop"'
                messages.append(event)
            elif self.waiting:
                messages.append(self.waiting.pop(self.chance.randrange(len(self.waiting))))
        return messages or [self._any_event()]

    def _any_event(self):
        event = self.event()
        event.eventRaised.name = "A"
        event.eventRaised.input.value = "1"
        return event


def _text(past, new):
    request = pb.OrchestratorRequest(instanceId="i1", pastEvents=past, newEvents=new)
    return base64.b64encode(request.SerializeToString()).decode()


def _read(text):
    """Remove stack traces, because the frames differ."""
    response = pb.OrchestratorResponse.FromString(base64.b64decode(text))
    for action in response.actions:
        details = action.completeOrchestration.failureDetails if action.HasField("completeOrchestration") else None
        while details is not None:
            details.ClearField("stackTrace")
            details = details.innerFailure if details.HasField("innerFailure") else None
    return response


def main():
    functions = {one.get_function_name(): one for one in app.get_functions()}
    handle = functions["program"].get_user_function()
    function = SimpleNamespace(function=handle, signature=SimpleNamespace(inputs={"ctx": None}))
    first, count = int(sys.argv[2]), int(sys.argv[3])
    sessions = NumberedSessions(lambda start: asyncio.run(start()))
    turns = warm = 0
    for seed in range(first, first + count):
        execution = Execution(function, sessions, random.Random(seed), seed)
        execution.run()
        turns += execution.turns
        warm += execution.warm
    if warm < turns / 4:
        raise SystemExit(f"only {warm} of {turns} turns were those of a session that was kept alive")


main()
