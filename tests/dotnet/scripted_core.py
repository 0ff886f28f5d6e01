"""Durable functions of scripted .NET apps, as generators: numbers, messages and waits are those of DurableTask.Core.

    @orchestration
    def Approval(context):
        yield context.activity("Ask", context.input)
        return (yield context.event("Approval"))

A function gets its input as JSON text with `json.loads` applied; activities are plain functions of `activity`.
Orchestrators are kept between turns if the host asks for it (extended sessions).
"""

# ruff: noqa: N802, N815 - methods have the names of events

import base64
import json
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Generator, Sequence
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from durable_host.durable.proto import StringValue, pb

GUIDS = uuid.UUID("9e952958-5e33-4daf-827f-2fa12937b875")
NO_TIME = "0001-01-01T00:00:00"
LONGEST_TIMER = 3 * 86_400
Code = Callable[..., Any]
_NOTHING = object()


class TaskFailure(Exception):
    """A failed activity, child or operation. `details` are its `TaskFailureDetails`."""

    def __init__(self, details: Any) -> None:
        super().__init__(details.errorMessage)
        self.details = details


class Task:
    """What a generator yields: done with a result, or with an error."""

    def __init__(self) -> None:
        self.is_done = False
        self._result: Any = None
        self._error: Exception | None = None

    def complete(self, result: Any = None, error: Exception | None = None) -> None:
        if not self.is_done:
            self.is_done, self._result, self._error = True, result, error

    def outcome(self) -> tuple[Any, Exception | None]:
        return self._result, self._error


class WhenAll(Task):
    """Waits for all, also if one fails."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        super().__init__()
        self.tasks = list(tasks)

    def outcome(self) -> tuple[Any, Exception | None]:
        outcomes = [task.outcome() for task in self.tasks]
        error = next((error for _, error in outcomes if error is not None), None)
        return [result for result, _ in outcomes], error


class WhenAny(WhenAll):
    def outcome(self) -> tuple[Any, Exception | None]:
        return next(task for task in self.tasks if is_done(task)), None


def is_done(task: Task) -> bool:
    if isinstance(task, WhenAny):
        return any(is_done(one) for one in task.tasks)
    if isinstance(task, WhenAll):
        return all(is_done(one) for one in task.tasks)
    return task.is_done


class Context:
    """One execution of an orchestration, and what its code may call."""

    def __init__(self, instance_id: str, code: Code) -> None:
        self.instance_id = instance_id
        self.execution_id = ""
        self.input: Any = None
        self.version = ""
        self.ticks = 0
        self._code = code
        self._run: Generator[Task, Any, Any] | None = None
        self._waits_for: Task | None = None
        self._pending: dict[int, pb.OrchestratorAction] = {}
        self._tasks: dict[int, Task] = {}
        self._events: defaultdict[str, deque[Task]] = defaultdict(deque)
        self._early: defaultdict[str, deque[str | None]] = defaultdict(deque)
        self._next, self._guids = 0, 0
        self._status: Any = _NOTHING
        self._completion: pb.CompleteOrchestrationAction | None = None
        self.reorder_ticks = 0
        self._sent: dict[str, int] = {}
        self._is_suspended = False
        self._held: list[pb.HistoryEvent] = []
        self._new_input: Any = _NOTHING

    # For the code

    def activity(self, name: str, input: Any = None, tags: dict[str, str] | None = None) -> Task:
        text = StringValue(value=f"[{json.dumps(input)}]")
        return self._act(scheduleTask=pb.ScheduleTaskAction(name=name, input=text, tags=tags))

    def child(self, name: str, input: Any = None, instance_id: str | None = None, version: str = "") -> Task:
        return self._act(
            createSubOrchestration=pb.CreateSubOrchestrationAction(
                name=name,
                instanceId=instance_id or uuid.UUID(self.new_guid()).hex,
                version=StringValue(value=version),
                input=StringValue(value=json.dumps(input)),
            )
        )

    def timer(self, seconds: float) -> Task:
        stamp = Timestamp()
        stamp.FromNanoseconds(self.ticks * 100 + round(seconds * 10**9))
        return self._act(createTimer=pb.CreateTimerAction(fireAt=stamp))

    def event(self, name: str) -> Task:
        task, key = Task(), name.casefold()
        if self._early[key]:
            task.complete(loaded(self._early[key].popleft()))
        else:
            self._events[key].append(task)
        return task

    def retried(self, name: str, input: Any, *, attempts: int, seconds: float) -> Generator[Task, Any, Any]:
        """Use with `yield from`: a timer follows each failure, also the last."""
        for attempt in range(attempts):
            is_last = attempt + 1 == attempts
            try:
                return (yield self.activity(name, input))
            except TaskFailure as error:
                yield self.timer(0 if is_last else seconds)
                if is_last:
                    raise error

    def call_entity(self, entity: str, operation: str, input: Any = _NOTHING) -> Task:
        id = self._send_entity(entity, operation, input, is_signal=False)
        task = Task()
        self._events[id].append(task)
        return task

    def signal_entity(self, entity: str, operation: str, input: Any = _NOTHING) -> None:
        self._send_entity(entity, operation, input, is_signal=True)

    def lock(self, *entities: str) -> Task:
        """The task's result is the function that releases them."""
        locked = sorted(entities)
        id = self.new_guid()
        message = {"op": None, "id": id, **self._sender(), **self._labels(locked[0])}
        message["lockset"] = [dict(zip(("name", "key"), one[1:].split("@", 1), strict=True)) for one in locked]
        self._send(locked[0], "op", {**message, "IsLockRequest": True, "createTrace": False})
        task = Task()
        self._events[id].append(task)
        task.release = lambda: [  # pyright: ignore[reportAttributeAccessIssue]
            self._send(one, "release", {"parent": self.instance_id, "id": id}) for one in locked
        ]
        return task

    def call_http(self, uri: str) -> Task:
        request = {
            "method": "GET", "uri": uri, "headers": None, "content": None, "tokenSource": None,
            "asynchronousPatternEnabled": False, "retryOptions": None, "timeout": None,
        }  # fmt: skip
        return self.activity("BuiltIn::HttpActivity", request)

    def send_event(self, instance_id: str, name: str, data: Any) -> None:
        self._act(
            sendEvent=pb.SendEventAction(
                instance=pb.OrchestrationInstance(instanceId=instance_id), name=name, data=texted(data)
            )
        )

    def all(self, tasks: Sequence[Task]) -> Task:
        return WhenAll(tasks)

    def any(self, *tasks: Task) -> Task:
        return WhenAny(tasks)

    def custom_status(self, value: Any) -> None:
        self._status = value

    def continue_as_new(self, input: Any) -> None:
        self._new_input = input

    def new_guid(self) -> str:
        """A GUID of version 5 of the instance, its time and a counter."""
        name = f"{self.instance_id}_{round_trip(self.ticks)}_{self._guids}"
        self._guids += 1
        return str(uuid.uuid5(GUIDS, name))

    # For the turns

    def process(self, event: pb.HistoryEvent) -> None:
        kind = event.WhichOneof("eventType") or ""
        overrides = kind in ("executionResumed", "executionTerminated")
        if self._is_suspended and not overrides:
            self._held.append(event)
            return
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            handler(getattr(event, kind), event)
        self._go_on()

    def response(self) -> pb.OrchestratorResponse:
        actions = list(self._pending.values())
        if self._is_suspended:
            actions = []
        elif self._completion is not None:
            if self._new_input is not _NOTHING:
                self._completion.carryoverEvents.extend(
                    pb.HistoryEvent(eventId=-1, eventRaised=pb.EventRaisedEvent(name=name, input=texted_raw(text)))
                    for name, texts in self._early.items()
                    for text in texts
                )
            actions.append(pb.OrchestratorAction(id=self._next, completeOrchestration=self._completion))
        message = pb.OrchestratorResponse(instanceId=self.instance_id, actions=actions)
        if self._status is not _NOTHING:
            message.customStatus.value = json.dumps(self._status)
        message.orchestrationTraceContext.SetInParent()
        return message

    @property
    def is_completed(self) -> bool:
        return self._completion is not None

    def _act(self, **action: Any) -> Task:
        number, self._next = self._next, self._next + 1
        self._pending[number] = pb.OrchestratorAction(id=number, **action)
        task = self._tasks[number] = Task()
        return task

    def _send(self, target: str, name: str, message: dict[str, Any]) -> None:
        self._act(
            sendEvent=pb.SendEventAction(
                instance=pb.OrchestrationInstance(instanceId=target),
                name=name,
                data=StringValue(value=json.dumps(message, separators=(",", ":"))),
            )
        )

    def _labels(self, entity: str) -> dict[str, str]:
        """What orders the messages to an entity: the time of each, and of the one before it."""
        if not self.reorder_ticks:
            return {"Timestamp": NO_TIME, "Predecessor": NO_TIME}
        last = self._sent.get(entity)
        stamp = self.ticks if last is None else max(self.ticks, last + 1)
        self._sent[entity] = stamp
        is_near = last is not None and stamp - last < self.reorder_ticks
        return {"Timestamp": round_trip(stamp), "Predecessor": round_trip(last) if last and is_near else NO_TIME}

    def _sender(self) -> dict[str, Any]:
        return {"parent": self.instance_id, "parentExecution": self.execution_id}

    def _send_entity(self, entity: str, operation: str, input: Any, *, is_signal: bool) -> str:
        id = self.new_guid()
        message: dict[str, Any] = {"op": operation, **({"signal": True} if is_signal else {})}
        if input is not _NOTHING:
            message["input"] = json.dumps(input)
        message |= {"id": id, **self._sender(), **self._labels(entity)}
        self._send(entity, "op", {**message, "IsLockRequest": False, "createTrace": True})
        return id

    def _go_on(self) -> None:
        while self._run is not None and self._completion is None:
            if self._waits_for is not None and not is_done(self._waits_for):
                return
            result, error = (None, None) if self._waits_for is None else self._waits_for.outcome()
            try:
                self._waits_for = self._run.throw(error) if error is not None else self._run.send(result)
            except StopIteration as stop:
                self._complete(pb.ORCHESTRATION_STATUS_COMPLETED, stop.value)
            except Exception as raised:
                self._fail(raised)

    def _complete(self, status: Any, result: Any) -> None:
        if self._new_input is not _NOTHING:
            self._completion = pb.CompleteOrchestrationAction(
                orchestrationStatus=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, result=texted(self._new_input)
            )
            return
        self._completion = pb.CompleteOrchestrationAction(orchestrationStatus=status)
        if result is not None:
            self._completion.result.value = json.dumps(result)

    def _fail(self, raised: Exception) -> None:
        details = pb.TaskFailureDetails(
            errorType=f"Scripted.{type(raised).__name__}",
            errorMessage=str(raised),
            stackTrace=StringValue(value="   at Scripted"),
        )
        if isinstance(raised, TaskFailure):
            details.innerFailure.CopyFrom(raised.details)
        self._completion = pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED,
            result=StringValue(value=str(raised)),
            failureDetails=details,
        )

    # One method for each kind of event that matters

    def _on_orchestratorStarted(self, _: Any, event: pb.HistoryEvent) -> None:
        self.ticks = event.timestamp.seconds * 10_000_000 + event.timestamp.nanos // 100

    def _on_executionStarted(self, started: Any, _: Any) -> None:
        self.execution_id = started.orchestrationInstance.executionId.value
        self.input = loaded(started.input.value if started.HasField("input") else None)
        self.version = started.version.value
        run = self._code(self)
        if isinstance(run, Generator):
            self._run = run
        else:
            self._complete(pb.ORCHESTRATION_STATUS_COMPLETED, run)

    def _confirm(self, _: Any, event: pb.HistoryEvent) -> None:
        if self._pending.pop(event.eventId, None) is None:
            raise AssertionError(f"The history has an event {event.eventId} that the code did not ask for.")

    _on_taskScheduled = _on_timerCreated = _on_subOrchestrationInstanceCreated = _on_eventSent = _confirm

    def _on_taskCompleted(self, completed: Any, _: Any) -> None:
        self._done(completed.taskScheduledId, loaded(completed.result.value if completed.HasField("result") else None))

    _on_subOrchestrationInstanceCompleted = _on_taskCompleted

    def _on_taskFailed(self, failed: Any, _: Any) -> None:
        self._done(failed.taskScheduledId, error=TaskFailure(failed.failureDetails))

    _on_subOrchestrationInstanceFailed = _on_taskFailed

    def _on_timerFired(self, fired: Any, _: Any) -> None:
        self._done(fired.timerId)

    def _done(self, number: int, result: Any = None, error: Exception | None = None) -> None:
        task = self._tasks.get(number)
        if task is not None:
            task.complete(result, error)

    def _on_eventRaised(self, raised: Any, _: Any) -> None:
        key, text = raised.name.casefold(), raised.input.value if raised.HasField("input") else None
        assert text != "", "empty texts are not JSON"
        if not self._events[key]:
            self._early[key].append(text)
            return
        task = self._events[key].popleft()
        release = getattr(task, "release", None)
        if release is not None:
            task.complete(release)
        elif len(key) == 36 and key.count("-") == 4:
            self._answered(task, json.loads(text or "null"))
        else:
            task.complete(loaded(text))

    @staticmethod
    def _answered(task: Task, answer: dict[str, Any]) -> None:
        failure = answer.get("failureDetails")
        if failure is not None:
            details = pb.TaskFailureDetails(errorType=failure["ErrorType"], errorMessage=failure["ErrorMessage"])
            task.complete(error=TaskFailure(details))
        else:
            task.complete(loaded(answer.get("result")))

    def _on_executionSuspended(self, _: Any, __: Any) -> None:
        self._is_suspended = True

    def _on_executionResumed(self, _: Any, __: Any) -> None:
        self._is_suspended = False
        held, self._held = self._held, []
        for event in held:
            self.process(event)

    def _on_executionTerminated(self, terminated: Any, _: Any) -> None:
        self._is_suspended = False
        self._completion = pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_TERMINATED, result=terminated.input
        )


SESSIONS: dict[str, Context] = {}
TURNS: list[dict[str, Any]] = []
"""What each turn was: `past` and `new` events, and whether the history was included."""


def orchestration(code: Code) -> Code:
    """Make a handler of scripted.json's functions from an orchestrator, a generator function or a plain one."""

    def handle(call: Any) -> str:
        request = pb.OrchestratorRequest.FromString(base64.b64decode(call.trigger.string))
        return base64.b64encode(turn(request, code).SerializeToString()).decode()

    return handle


def turn(request: pb.OrchestratorRequest, code: Code) -> pb.OrchestratorResponse:
    assert request.HasField("entityParameters"), "entities are not supported"
    properties = request.properties
    includes_state = "IncludeState" not in properties or properties["IncludeState"].bool_value
    is_kept = "IsExtendedSession" in properties and properties["IsExtendedSession"].bool_value
    TURNS.append({"past": len(request.pastEvents), "new": len(request.newEvents), "history": includes_state})
    context = SESSIONS.pop(request.instanceId, None)
    if includes_state:
        context = Context(request.instanceId, code)
        context.reorder_ticks = request.entityParameters.entityMessageReorderWindow.seconds * 10_000_000
        for event in request.pastEvents:
            context.process(event)
    elif context is None:
        return pb.OrchestratorResponse(instanceId=request.instanceId, requiresHistory=True)
    else:
        context._pending.clear()  # The host has recorded them.
    for event in request.newEvents:
        context.process(event)
    if is_kept and not context.is_completed:
        SESSIONS[request.instanceId] = context
    return context.response()


def activity(code: Code) -> Code:
    def handle(call: Any) -> Any:
        assert call.metadata["instanceId"].string
        return code(json.loads(call.trigger.json))

    return handle


def entity(code: Callable[[Any, str, Any], tuple[Any, Any]]) -> Code:
    """Make a handler of a function of state, operation and input that returns the new state and the result."""

    def handle(call: Any) -> str:
        request = pb.EntityBatchRequest.FromString(base64.b64decode(call.trigger.string))
        state = loaded(request.entityState.value) if request.HasField("entityState") else None
        results = []
        for operation in request.operations:
            uuid.UUID(operation.requestId)
            input = loaded(operation.input.value) if operation.HasField("input") else None
            if operation.operation.casefold() == "delete":
                state, result = None, None
            else:
                try:
                    state, result = code(state, operation.operation, input)
                except Exception as error:
                    details = pb.TaskFailureDetails(
                        errorType=f"Scripted.{type(error).__name__}", errorMessage=str(error)
                    )
                    results.append(pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=details)))
                    continue
            results.append(pb.OperationResult(success=pb.OperationResultSuccess(result=texted(result))))
        answer = pb.EntityBatchResult(results=results, entityState=texted(state))
        return base64.b64encode(answer.SerializeToString()).decode()

    return handle


def round_trip(ticks: int) -> str:
    """The time with seven digits of a fraction. `ticks` are those since 1970."""
    seconds, fraction = divmod(ticks, 10_000_000)
    return f"{Timestamp(seconds=seconds).ToDatetime():%Y-%m-%dT%H:%M:%S}.{fraction:07}Z"


def loaded(text: str | None) -> Any:
    """The value of JSON. An empty text is none, as for .NET."""
    return None if text is None else json.loads(text)


def texted(value: Any) -> StringValue | None:
    return None if value is None else StringValue(value=json.dumps(value))


def texted_raw(text: str | None) -> StringValue | None:
    return None if text is None else StringValue(value=text)
