"""One attempt at an invocation: input bindings, the call in the worker, output bindings."""

from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from durable_host.errors import HostError
from durable_host.invocation.bindings import BindingContext, BindingRegistry
from durable_host.invocation.datum import Datum
from durable_host.invocation.errors import FunctionFailed, WorkerLost
from durable_host.invocation.http_exchange import HttpExchange
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.requests import InvocationRequest, InvocationResponse
from durable_host.invocation.workers import Workers


class Trace(msgspec.Struct, frozen=True):
    """W3C trace context."""

    parent: str | None = None
    state: str | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: the data from the trigger, and the number of retries so far.

    `exchange` is set for a function that streams HTTP. Such a call has only one attempt, because its request can be
    read only once.
    """

    function: FunctionMetadata
    invocation_id: str
    trigger_value: Datum
    trigger_metadata: dict[str, Any]
    binding_data: Mapping[str, Any]
    trace: Trace = Trace()
    retry_count: int = 0
    max_retry_count: int = 0
    last_error: FunctionFailed | WorkerLost | None = None
    exchange: HttpExchange | None = None

    @property
    def instance_id(self) -> str | None:
        value = self.trigger_metadata.get("instanceId")
        return value if isinstance(value, str) else None


def run_attempt(
    attempt: Attempt, pool: WorkerPool, workers: Workers, bindings: BindingRegistry, timeout: float | None
) -> Coroutine[Any, Any, InvocationResponse]:
    """Run an attempt. The caller holds `workers`.

    Raises FunctionFailed for errors in user code and bindings, FunctionTimedOut, WorkerLost; with an exchange also
    ClientGone and the exceptions of the exchange.
    """
    function = attempt.function
    if function.inputs or function.written_outputs:
        return _run_with_bindings(attempt, pool, workers, bindings, timeout)
    request = _request(attempt, {function.trigger.name: attempt.trigger_value})
    return pool.invoke(request, timeout=timeout, workers=workers, exchange=attempt.exchange)


async def _run_with_bindings(
    attempt: Attempt, pool: WorkerPool, workers: Workers, bindings: BindingRegistry, timeout: float | None
) -> InvocationResponse:
    function = attempt.function
    inputs = {function.trigger.name: attempt.trigger_value}
    if function.inputs:
        inputs |= await _read_inputs(attempt, bindings)
    request = _request(attempt, inputs)
    response = await pool.invoke(request, timeout=timeout, workers=workers, exchange=attempt.exchange)
    if function.written_outputs:
        await _write_outputs(attempt, response, bindings)
    return response


def _request(attempt: Attempt, inputs: dict[str, Datum]) -> InvocationRequest:
    return InvocationRequest(
        function=attempt.function.name,
        invocation_id=attempt.invocation_id,
        inputs=inputs,
        trigger_metadata=attempt.trigger_metadata,
        trace_parent=attempt.trace.parent,
        trace_state=attempt.trace.state,
        retry_count=attempt.retry_count,
        max_retry_count=attempt.max_retry_count,
        last_error=_error_of(attempt.last_error),
    )


def _context(attempt: Attempt) -> BindingContext:
    return BindingContext(attempt.function, attempt.invocation_id, attempt.trigger_metadata)


def _error_of(error: FunctionFailed | WorkerLost | None) -> tuple[str, str] | None:
    """The message and the stack of an error."""
    if error is None:
        return None
    return str(error), error.stack if isinstance(error, FunctionFailed) else ""


async def _read_inputs(attempt: Attempt, bindings: BindingRegistry) -> dict[str, Datum]:
    context = _context(attempt)
    inputs: dict[str, Datum] = {}
    for binding in attempt.function.inputs:
        reader = bindings.input(binding.type)
        if reader is None:
            raise FunctionFailed("BindingError", f"no input binding of type '{binding.type}' is served by this host")
        try:
            inputs[binding.name] = await reader.read(binding, attempt.binding_data, context)
        except FunctionFailed:
            raise
        except Exception as error:
            raise _failed(f"while reading the input binding '{binding.name}' ({binding.type})", error) from error
    return inputs


async def _write_outputs(attempt: Attempt, response: InvocationResponse, bindings: BindingRegistry) -> None:
    context = _context(attempt)
    for binding in attempt.function.written_outputs:
        datum = response.return_value if binding.is_return else response.outputs.get(binding.name)
        if datum is None or datum.is_none:
            continue
        writer = bindings.output(binding.type)
        if writer is None:
            raise FunctionFailed("BindingError", f"no output binding of type '{binding.type}' is served by this host")
        try:
            await writer.write(binding, datum, attempt.binding_data, context)
        except FunctionFailed:
            raise
        except Exception as error:
            raise _failed(f"while writing the output binding '{binding.name}' ({binding.type})", error) from error


def _failed(when: str, error: Exception) -> FunctionFailed:
    """The error for a failed binding. User code is not at fault, so cause and remedy replace the stack."""
    lines = [f"  {when}"]
    if isinstance(error, HostError):
        lines += [f"  {line}" for line in (error.cause, error.remedy) if line]
    return FunctionFailed(type(error).__name__, str(error), "\n".join(lines))
