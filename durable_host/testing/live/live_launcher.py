"""Prepares a process that is about to run `func start`, so that the test that has started it can control it."""

from multiprocessing.connection import Connection

from durable_host.host.launch import LAUNCH, Launch
from durable_host.invocation.invoker import Pipeline
from durable_host.testing.http_calls import RecordedHttpCalls
from durable_host.testing.live.live_control import LiveControl
from durable_host.testing.live.shifted_clock import ShiftedClock
from durable_host.testing.stand_ins import with_stand_ins


def prepare(descriptor: int) -> None:
    """Let the host of this process be controlled through the inherited socket with this file descriptor."""
    clock = ShiftedClock()
    control = LiveControl(Connection(descriptor), clock)

    def doubled(pipeline: Pipeline, runtime: str) -> Pipeline:
        return with_stand_ins(pipeline, control.stand_ins, runtime)

    LAUNCH.set(
        Launch(
            clock=clock, pipeline=doubled, http=lambda: RecordedHttpCalls(control.stand_ins), companion=control.serve
        )
    )
