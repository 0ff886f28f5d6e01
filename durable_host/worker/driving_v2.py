"""Drives the executor of the 2.x SDK turn by turn.

It uses private names of `durabletask.worker`, and only if they have the expected form (that of durabletask 1.12);
otherwise it raises `CannotDrive` with the difference.

Source: docs/protocol/durable-v2.md#kept-alive-between-turns
"""

from __future__ import annotations

import base64
import importlib
import inspect
import threading
from contextlib import suppress
from typing import Any

from .drivable import CannotDrive
from .event_waits import EventWaits
from .loaded import LoadedFunction
from .places import position_of

_PARAMETERS = {
    "_OrchestrationExecutor": (
        "registry", "logger", "data_converter", "persisted_orch_span_id", "maximum_timer_interval",
        "exception_properties_provider",
    ),
    "_RuntimeOrchestrationContext": (
        "instance_id", "registry", "data_converter", "maximum_timer_interval", "exception_properties_provider",
        "logger",
    ),
}  # fmt: skip
_OF_WORKER = ("_registry", "_logger", "_data_converter", "_exception_properties_provider", "_payload_store",
              "maximum_timer_interval", "_register_orchestrator_once", "_emit_trace_spans")  # fmt: skip
_OF_EXECUTOR = ("process_event",)
_OF_CONTEXT = ("_is_replaying", "_is_complete", "_encoded_custom_status", "_generator", "_completion_status",
               "get_actions", "set_failed")  # fmt: skip
_FAILED = 3


class Driver:
    """Opens sessions of one orchestrator function. Raises CannotDrive."""

    def __init__(self) -> None:
        try:
            self._sdk: Any = importlib.import_module("durabletask.worker")
            self._messages: Any = importlib.import_module("durabletask.internal.orchestrator_service_pb2")
            self._tracing: Any = importlib.import_module("durabletask.internal.tracing")
            self._task: Any = importlib.import_module("durabletask.task")
            payloads: Any = importlib.import_module("azure.durable_functions.internal.payloads")
            worker_class: Any = importlib.import_module("azure.durable_functions.worker").DurableFunctionsWorker
            self._payload_store: Any = payloads.get_transport_payload_store
            _ = self._tracing.suppress_span_emission, self._tracing.use_trace_context
        except (ImportError, AttributeError) as error:
            raise CannotDrive(f"this SDK lacks a part: {error}") from error
        for name, expected in _PARAMETERS.items():
            found = getattr(self._sdk, name, None)
            actual = () if found is None else tuple(inspect.signature(found.__init__).parameters)[1:]
            if sorted(actual) != sorted(expected):
                raise CannotDrive(f"this SDK has a different {name}")
        self._worker: Any = worker_class()
        _require(self._worker, _OF_WORKER)
        self._lock = threading.Lock()

    def open(self, function: LoadedFunction, data: bytes) -> LiveTurns | None:
        """A session for the execution in a request with the whole history; None if only the SDK's handle can run it.

        Raises CannotDrive.
        """
        if self._payload_store() is not None:
            return None  # The handle replaces texts by tokens before and after the turn.
        request = self._messages.OrchestratorRequest.FromString(data)
        events = [*request.pastEvents, *request.newEvents]
        started = [event.executionStarted for event in events if event.HasField("executionStarted")]
        is_rewind = any(event.HasField("executionRewound") for event in request.newEvents)
        if not started or (is_rewind and any(event.HasField("executionCompleted") for event in request.pastEvents)):
            return None
        worker: Any = self._worker
        name = started[-1].name
        with self._lock:
            worker._register_orchestrator_once(name, getattr(function.function, "orchestrator_function"))  # noqa: B009
        executor: Any = self._sdk._OrchestrationExecutor(
            worker._registry,
            worker._logger,
            maximum_timer_interval=worker.maximum_timer_interval,
            data_converter=worker._data_converter,
            exception_properties_provider=worker._exception_properties_provider,
        )
        executor._orchestration_name = name
        context: Any = self._sdk._RuntimeOrchestrationContext(
            request.instanceId,
            worker._registry,
            maximum_timer_interval=worker.maximum_timer_interval,
            data_converter=worker._data_converter,
            exception_properties_provider=worker._exception_properties_provider,
            logger=worker._logger,
        )
        _require(executor, _OF_EXECUTOR)
        _require(context, _OF_CONTEXT)
        parent = started[0].parentTraceContext if started[0].HasField("parentTraceContext") else None
        return LiveTurns(self, function, executor, context, parent)

    def parse(self, data: bytes) -> Any:
        return self._messages.OrchestratorRequest.FromString(data)

    def response(self, request: Any, actions: list[Any], custom_status: str | None) -> Any:
        response = self._messages.OrchestratorResponse(
            instanceId=request.instanceId,
            actions=actions,
            orchestrationTraceContext=request.orchestrationTraceContext,
        )
        if custom_status is not None:
            response.customStatus.value = custom_status
        return response

    def within(self, parent: Any) -> tuple[Any, Any]:
        """The SDK's context managers around a turn."""
        return self._tracing.suppress_span_emission(True), self._tracing.use_trace_context(parent)

    def is_task(self, value: Any) -> bool:
        return isinstance(value, self._task.Task)


class LiveTurns:
    """Runs the code of one execution, turn by turn. `seen` is the number of history events that it has received."""

    def __init__(self, driver: Driver, function: LoadedFunction, executor: Any, context: Any, parent: Any) -> None:
        self.function = function
        self.seen = 0
        self.error: Exception | None = None
        self._driver = driver
        self._executor = executor
        self._context = context
        self._parent = parent
        self._waits: EventWaits | None = None

    def record_waits(self) -> None:
        """Add the waits for external events to the answer of the next turn, which must be a replay."""
        self._waits = EventWaits(self._context)

    @property
    def has_ended(self) -> bool:
        return bool(self._context._is_complete)

    @property
    def has_failed(self) -> bool:
        """Whether the code has ended with an error, or without a result."""
        context = self._context
        return context._is_complete and (context._completion_status == _FAILED or self._is_stuck(context.get_actions()))

    def run(self, data: bytes) -> dict[str, Any]:
        """Run one turn. The past events of the request are those added since the last turn."""
        request, context, process = self._driver.parse(data), self._context, self._process
        suppressed, traced = self._driver.within(self._parent)
        with suppressed, traced:
            try:
                context._is_replaying = True
                for event in request.pastEvents:
                    process(context, event)
                context._is_replaying = False
                for event in request.newEvents:
                    process(context, event)
            except Exception as error:
                self.error = error
                context.set_failed(error)
            actions = context.get_actions()
        answer: dict[str, Any] = {"position": position_of(context._generator)}
        response = self._driver.response(request, actions, context._encoded_custom_status)
        answer["response"] = base64.b64encode(response.SerializeToString()).decode("ascii")
        if self._waits is not None:
            answer["waits"] = self._waits.notes()
            if (tasks := getattr(context, "_pending_tasks", None)) is not None:
                answer["open"] = list(tasks)
                finals = ((number, getattr(task, "_final_fire_at", None)) for number, task in tasks.items())
                answer["parts"] = [number for number, final in finals if final is not None]
        if self._is_stuck(actions):
            answer["stuck"] = True
        elif not context._is_complete and context._generator is not None:
            waits_for = getattr(context, "_previous_task", None)
            if not self._driver.is_task(waits_for):
                answer["warnings"] = [
                    f"The orchestrator yields a value of the type {type(waits_for).__name__}, which is not a task. It "
                    "waits forever."
                ]
        return answer

    def close(self) -> None:
        """Close the user's generator."""
        generator, self._context._generator = self._context._generator, None
        with suppress(Exception):
            if generator is not None and hasattr(generator, "close"):
                generator.close()

    def _process(self, context: Any, event: Any) -> None:
        self._executor.process_event(context, event)
        if self._waits is not None:
            self._waits.processed()
            self._waits.index += 1

    def _is_stuck(self, actions: list[Any]) -> bool:
        ends = any(action.HasField("completeOrchestration") for action in actions)
        return self._context._is_complete and not ends


def _require(owner: Any, names: tuple[str, ...]) -> None:
    missing = [name for name in names if not hasattr(owner, name)]
    if missing:
        raise CannotDrive(f"this SDK lacks {', '.join(missing)} of {type(owner).__name__}")
