"""The pipeline around one call: retries, log lines, input bindings, the worker, output bindings.

Source: spec/functions-host.md, sections 2, 6.7 and 8.4.
"""

import secrets
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from durable_host.clock import Clock, SystemClock
from durable_host.config.retry import RetryOptions
from durable_host.invocation.attempt import Attempt, Trace, run_attempt
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.datum import Datum
from durable_host.invocation.invocation_log import logged
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.retries import with_retries


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a successful invocation gave. `return_value` and `outputs` are as user code gave them; those that have an
    output binding of another type than `http` have been written already.
    """

    invocation_id: str
    return_value: Datum | None = None
    outputs: dict[str, Datum] = {}


class Invoker:
    """Runs functions for the triggers. Shared by all of them; holds no state of an invocation.

    `function_timeout` is in seconds, None for unlimited; `default_retry` is the policy of host.json.
    """

    def __init__(
        self,
        pool: WorkerPool,
        bindings: BindingRegistry,
        *,
        default_retry: RetryOptions | None = None,
        function_timeout: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._pool = pool
        self._bindings = bindings
        self._default_retry = default_retry
        self._function_timeout = function_timeout
        self._clock = clock or SystemClock()

    async def invoke(
        self,
        function: FunctionMetadata,
        *,
        trigger_value: Datum,
        trigger_metadata: Mapping[str, Any] | None = None,
        binding_data: Mapping[str, Any] | None = None,
        reason: str,
        details: str | None = None,
        invocation_id: str | None = None,
        trace_parent: str | None = None,
        trace_state: str | None = None,
    ) -> Outcome:
        """Run `function` until it succeeds or its retry policy is used up; every attempt has its own ID.

        `binding_data` is what `{expressions}` of the bindings refer to; `reason` and `details` stand in the log.
        Raises FunctionFailed (user code, a binding, or the time-out; logged already) and WorkerLost.
        """
        trace = Trace(trace_parent or new_trace_parent(), trace_state)
        attempt = Attempt(
            function=function,
            invocation_id=invocation_id or str(uuid.uuid4()),
            trigger_value=trigger_value,
            trigger_metadata=dict(trigger_metadata or {}),
            binding_data=binding_data or {},
            trace=trace,
        )

        async def run(attempt: Attempt) -> Outcome:
            async with logged(attempt, reason, details):
                response = await run_attempt(attempt, self._pool, self._bindings, self._function_timeout)
            return Outcome(
                invocation_id=attempt.invocation_id, return_value=response.return_value, outputs=response.outputs
            )

        policy = function.retry or self._default_retry
        if policy is None:
            return await run(attempt)
        return await with_retries(attempt, policy, run, self._clock)


def new_trace_parent() -> str:
    """A W3C traceparent for an invocation whose caller has none."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
