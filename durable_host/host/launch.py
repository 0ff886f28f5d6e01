"""What a program that launches a host adds to it: tests control its time and its calls."""

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import msgspec

from durable_host.clock import Clock
from durable_host.durable.runtime.http_activity import HttpActivity
from durable_host.invocation.invoker import Pipeline


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """`clock` replaces the machine's clock for functions, triggers and Durable Functions.

    `pipeline` replaces the pipeline of each state of the app; it gets the worker runtime too. `http` creates what sends
    the HTTP requests of orchestrators. `companion` gets the `AppSwitch`, and runs while the host serves the app.
    """

    clock: Clock | None = None
    pipeline: Callable[[Pipeline, str], Pipeline] = lambda pipeline, _: pipeline
    http: Callable[[], HttpActivity] = HttpActivity
    companion: Callable[[Any], Coroutine[Any, Any, None]] | None = None


PLAIN = Launch()
LAUNCH: ContextVar[Launch] = ContextVar("launch", default=PLAIN)
"""The launch of the host that runs in this context. Set it before the host starts."""
