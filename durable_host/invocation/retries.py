"""Retry policies: fixed delay and exponential back-off for the attempts of one delivery.

Source: docs/protocol/functions-host-worker.md#retry-policies
"""

import logging
import random
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from durable_host.clock import Clock
from durable_host.config import timespan
from durable_host.config.retry import RetryOptions
from durable_host.invocation.attempt import Attempt
from durable_host.invocation.errors import FunctionCancelled, FunctionFailed, WorkerLost

T = TypeVar("T")


def delay_before(policy: RetryOptions, retry: int, jitter: Callable[[], float]) -> float:
    """Seconds before the `retry`-th retry (from 1). `jitter` returns a factor from 0.8 to 1.2."""
    if policy.strategy == "fixedDelay":
        return policy.delay_interval
    shortest = policy.minimum_interval
    if retry <= 1:
        return min(shortest, policy.maximum_interval)
    return min(policy.maximum_interval, shortest + shortest * 2.0 ** min(retry - 2, 60) * jitter())


async def with_retries(
    attempt: Attempt, policy: RetryOptions, run: Callable[[Attempt], Awaitable[T]], clock: Clock
) -> T:
    """Run attempts until one succeeds or the retries are used up; then raise the last error."""
    log = logging.getLogger(f"Function.{attempt.function.name}")
    limit = policy.max_retry_count
    attempt = msgspec.structs.replace(attempt, max_retry_count=limit)
    while True:
        try:
            return await run(attempt)
        except FunctionCancelled:
            raise
        except (FunctionFailed, WorkerLost) as error:
            if limit >= 0 and attempt.retry_count >= limit:
                log.error("Function execution failed after '%d' retries.", attempt.retry_count)
                raise
            retry = attempt.retry_count + 1
            delay = delay_before(policy, retry, _jitter)
            log.debug(
                "Waiting for `%s` before retrying function execution. Next attempt: '%d'. Max retry count: '%d'.",
                timespan.render(delay),
                retry,
                limit,
            )
            attempt = msgspec.structs.replace(
                attempt, invocation_id=str(uuid.uuid4()), retry_count=retry, last_error=error
            )
        await clock.sleep(delay)


def _jitter() -> float:
    return random.uniform(0.8, 1.2)
