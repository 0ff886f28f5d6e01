"""Replaces activities and output bindings below everything that an SDK sees, so that apps of all languages are alike.

`StandIns` is the port: it is called before an activity runs, when it has ended, and before an output is written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from durable_host.bindings.unserved_output import OutputNotServed
from durable_host.durable.sdk.node_activities import result_json
from durable_host.errors import HostError
from durable_host.host.durable_calls import python_result
from durable_host.invocation.attempt import Attempt
from durable_host.invocation.bindings import BindingContext, BindingRegistry, InputBinding, OutputBinding
from durable_host.invocation.datum import Datum, json_text
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invoker import Interception, Pipeline
from durable_host.invocation.metadata import Binding
from durable_host.invocation.requests import InvocationResponse

ACTIVITY_TRIGGER = "activitytrigger"
CANCELED = "The call was canceled: the host has ended."
"""The error of an activity that was running when the host ended. It runs again in the next host."""


class ActivityRun(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to run an activity. `input` is JSON text; `instance_id` is None if no orchestration calls it."""

    run_id: str
    function: str
    input: str
    instance_id: str | None = None


class OutputWrite(msgspec.Struct, frozen=True, kw_only=True):
    """A value that a function has set or returned for an output binding of this type."""

    function: str
    binding: str
    type: str
    value: Datum
    instance_id: str | None = None


class ErrorInPlace(msgspec.Struct, frozen=True):
    """An error as user code raises it: the name of its type, its message without the type, and a traceback."""

    type: str
    message: str
    stack: str = ""


class Replacement(msgspec.Struct, frozen=True):
    """What happens instead: an error, or for an activity a result as JSON text. An output is not written."""

    result: str | None = None
    error: ErrorInPlace | None = None


class StandIns(Protocol):
    """Decides what replaces activities and outputs; None means nothing."""

    async def activity_begins(self, run: ActivityRun) -> Replacement | None: ...

    async def activity_ended(self, run_id: str, output: str | None, error: str | None) -> None:
        """A run has ended, replaced or not: with JSON text, or with the text of an error."""
        ...

    async def output_written(self, write: OutputWrite) -> Replacement | None: ...


def with_stand_ins(
    pipeline: Pipeline, stand_ins: StandIns, runtime: str, not_served: Mapping[str, str] = {}
) -> Pipeline:
    """The pipeline with replacements, for an app of this worker runtime (`python`, `node` …).

    `not_served` has the activities that cannot run without a replacement, and the reasons.
    """
    return msgspec.structs.replace(
        pipeline,
        bindings=_InterceptedBindings(pipeline.bindings, stand_ins),
        interception=_interception(stand_ins, not_served, is_python=runtime == "python"),
    )


def _interception(stand_ins: StandIns, not_served: Mapping[str, str], *, is_python: bool) -> Interception:
    async def run(attempt: Attempt, real: Callable[[], Awaitable[InvocationResponse]]) -> InvocationResponse:
        if attempt.function.trigger.type.lower() != ACTIVITY_TRIGGER:
            return await real()
        run_id, name = attempt.invocation_id, attempt.function.name
        begun = ActivityRun(
            run_id=run_id,
            function=name,
            input=attempt.trigger_value.as_text() or "null",
            instance_id=attempt.instance_id,
        )
        try:
            replacement = await stand_ins.activity_begins(begun)
            if replacement is None and name in not_served:
                raise FunctionFailed("FunctionNotServed", _not_served(name, not_served[name]))
            response = await real() if replacement is None else _response(replacement)
        except (FunctionFailed, HostError) as error:
            await stand_ins.activity_ended(run_id, None, str(error))
            raise
        except asyncio.CancelledError:
            await stand_ins.activity_ended(run_id, None, CANCELED)
            raise
        returned = response.return_value
        if returned is None:
            output = None
        else:
            output = python_result(attempt.function, returned) if is_python else result_json(returned)
        await stand_ins.activity_ended(run_id, output, None)
        return response

    return run


def _not_served(activity: str, reason: str) -> str:
    return (
        f"The app has '{activity}', but this host does not serve it: {reason}. Replace it in the test with "
        f'function_app.activity("{activity}").returns(...).'
    )


def _response(replacement: Replacement) -> InvocationResponse:
    """The response of the replaced function. Raises FunctionFailed."""
    if replacement.error is not None:
        raise _failed(replacement.error)
    return InvocationResponse(None if replacement.result is None else json_text(replacement.result))


def _failed(error: ErrorInPlace) -> FunctionFailed:
    return FunctionFailed(error.type, error.message, error.stack)


class _InterceptedBindings(BindingRegistry):
    """The bindings of an app, with outputs that ask before they are written."""

    def __init__(self, real: BindingRegistry, stand_ins: StandIns) -> None:
        super().__init__()
        self._real = real
        self._stand_ins = stand_ins

    def input(self, type: str) -> InputBinding | None:
        return self._real.input(type)

    def output(self, type: str) -> OutputBinding | None:
        real = self._real.output(type)
        return None if real is None else _InterceptedOutput(real, self._stand_ins)

    def has_output(self, type: str) -> bool:
        return self._real.has_output(type)

    def serves(self, binding: Binding) -> bool:
        return self._real.serves(binding)


class _InterceptedOutput:
    def __init__(self, real: OutputBinding, stand_ins: StandIns) -> None:
        self._real = real
        self._stand_ins = stand_ins

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        instance_id = context.trigger_metadata.get("instanceId")
        write = OutputWrite(
            function=context.function.name,
            binding=binding.name,
            type=binding.type,
            value=datum,
            instance_id=instance_id if isinstance(instance_id, str) else None,
        )
        replacement = await self._stand_ins.output_written(write)
        if replacement is None:
            try:
                await self._real.write(binding, datum, binding_data, context)
            except OutputNotServed as error:
                double = f'function_app.output("{write.function}", "{write.binding}").discards()'
                raise OutputNotServed(
                    f"{error} Replace it in the test with {double}.", cause=error.cause, remedy=error.remedy
                ) from error
        elif replacement.error is not None:
            raise _failed(replacement.error)
