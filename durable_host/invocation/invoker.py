"""The pipeline of an invocation: retries, log lines, input bindings, the worker, output bindings.

Source: docs/protocol/functions-host-worker.md#running-functions,
    docs/protocol/functions-host-worker.md#retry-policies,
    docs/protocol/functions-host-cli.md#invocation-lines
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import msgspec

from durable_host import spans
from durable_host.clock import Clock, SystemClock
from durable_host.config.retry import RetryOptions
from durable_host.invocation.attempt import Attempt, Trace, run_attempt
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.datum import Datum
from durable_host.invocation.http_exchange import HttpExchange
from durable_host.invocation.invocation_log import InvocationLog
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.random_ids import new_invocation_id, new_trace_parent
from durable_host.invocation.recent_invocations import RecentInvocations
from durable_host.invocation.requests import InvocationResponse
from durable_host.invocation.retries import with_retries
from durable_host.invocation.workers import Workers


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a successful invocation.

    `return_value` and `outputs` are the values from user code. Values of output bindings other than `http` have already
    been written.
    """

    invocation_id: str
    return_value: Datum | None = None
    outputs: dict[str, Datum] = {}


Interception = Callable[[Attempt, Callable[[], Awaitable[InvocationResponse]]], Awaitable[InvocationResponse]]
"""Runs instead of an attempt, which it can run by calling its second argument. Raises like `run_attempt`."""


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration of the pipeline.

    `function_timeout` is in seconds, None for no limit; `default_retry` is the policy in host.json; `functions` are the
    functions in the current workers. `interception` is for tests that replace functions.
    """

    bindings: BindingRegistry
    functions: Mapping[str, FunctionMetadata] = {}
    default_retry: RetryOptions | None = None
    function_timeout: float | None = None
    interception: Interception | None = None


class Invoker:
    """Runs functions for all triggers. Keeps no state of single invocations.

    `running` counts the running attempts, `ended` those that have ended, and `recent` has the latest of these. After a
    reload (`adopt`), triggers may pass functions of the old app: the current function with the same name runs.
    """

    def __init__(
        self,
        pool: WorkerPool,
        bindings: BindingRegistry,
        *,
        functions: Iterable[FunctionMetadata] = (),
        default_retry: RetryOptions | None = None,
        function_timeout: float | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock or SystemClock()
        self._in_progress = 0
        self.running = 0
        self.ended = 0
        self.recent = RecentInvocations()
        self._pipeline = Pipeline(
            bindings=bindings,
            functions={function.name: function for function in functions},
            default_retry=default_retry,
            function_timeout=function_timeout,
        )

    def cancel(self, invocation_id: str) -> None:
        """Interrupt a call that nobody waits for any more. A function that is not async runs to its end."""
        self._pool.cancel(invocation_id)

    def adopt(self, pipeline: Pipeline) -> None:
        """Use `pipeline` for new calls; see `WorkerPool.adopt`."""
        self._pipeline = pipeline

    @property
    def waiting(self) -> int:
        """The number of invocations that wait for their next attempt."""
        return self._in_progress - self.running

    def held(self) -> AbstractContextManager[Workers]:
        """Hold the current workers for a call of one of their functions while its input is still being read."""
        return self._pool.current.held()

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
        workers: Workers | None = None,
        exchange: HttpExchange | None = None,
    ) -> Outcome:
        """Run `function` until it succeeds or its retries are used up. Each attempt has its own ID.

        `binding_data` has the values for `{expressions}` in bindings; `reason` and `details` are for the log.
        `workers` are held by the caller, and `function` is one of theirs. `exchange` is the HTTP request and response
        of a function that streams them; such a call is not retried.
        Raises FunctionFailed (user code, a binding, or the time-out; already logged) and WorkerLost; with `exchange`
        also ClientGone, and the exceptions of `exchange` for a response that cannot be sent.
        """
        pipeline = self._pipeline
        if workers is None:
            function = pipeline.functions.get(function.name, function)
        attempt = Attempt(
            function=function,
            invocation_id=invocation_id or new_invocation_id(),
            trigger_value=trigger_value,
            trigger_metadata=dict(trigger_metadata or {}),
            binding_data=binding_data or {},
            trace=Trace(trace_parent or new_trace_parent(), trace_state),
            exchange=exchange,
        )

        workers = workers or self._pool.current
        self._in_progress += 1
        try:
            if not spans.configured():
                return await self._run_with_retries(attempt, pipeline, workers, reason, details)
            tags = {"faas.name": function.name, "faas.invocation_id": attempt.invocation_id}
            with spans.span(function.name, "server", spans.Parent(trace_parent, trace_state), tags) as span:
                if span is not None:
                    attempt = msgspec.structs.replace(attempt, trace=Trace(span.header, span.state))
                return await self._run_with_retries(attempt, pipeline, workers, reason, details)
        finally:
            self._in_progress -= 1

    def _run_with_retries(
        self, attempt: Attempt, pipeline: Pipeline, workers: Workers, reason: str, details: str | None
    ) -> Coroutine[Any, Any, Outcome]:
        policy = attempt.function.retry or pipeline.default_retry
        if policy is None or attempt.exchange is not None:
            return self._run(attempt, pipeline, workers, reason, details)

        async def run(attempt: Attempt) -> Outcome:
            if attempt.retry_count:
                return await self._run(self._renewed(attempt), self._pipeline, self._pool.current, reason, details)
            return await self._run(attempt, pipeline, workers, reason, details)

        return with_retries(attempt, policy, run, self._clock)

    async def _run(
        self, attempt: Attempt, pipeline: Pipeline, workers: Workers, reason: str, details: str | None
    ) -> Outcome:
        self.running += 1
        log = InvocationLog(attempt, reason, details)
        try:
            with workers.held(), log:
                if pipeline.interception is None:
                    response = await run_attempt(
                        attempt, self._pool, workers, pipeline.bindings, pipeline.function_timeout
                    )
                else:
                    run = partial(
                        run_attempt, attempt, self._pool, workers, pipeline.bindings, pipeline.function_timeout
                    )
                    response = await pipeline.interception(attempt, run)
                log.response = response
        except BaseException as error:
            self.recent.add(attempt, reason, log.seconds, error=error)
            raise
        finally:
            self.running -= 1
            self.ended += 1
        self.recent.add(attempt, reason, log.seconds, response=response)
        return Outcome(
            invocation_id=attempt.invocation_id, return_value=response.return_value, outputs=response.outputs
        )

    def _renewed(self, attempt: Attempt) -> Attempt:
        """The attempt with the current function, if it still takes the same inputs."""
        known, now = attempt.function, self._pipeline.functions.get(attempt.function.name)
        if now is None or now is known or now.trigger != known.trigger:
            return attempt
        return msgspec.structs.replace(attempt, function=now)
