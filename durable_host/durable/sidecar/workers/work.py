"""Work for plain workers, from its creation until a worker has done it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from durable_host.durable.proto import pb

Kind = Literal["orchestration", "activity", "entity"]


class WorkTooLarge(Exception):
    """No worker can receive the work. The text says why."""


class Work:
    """One piece of work. `name` and `version` are matched by filters, and `request` is the message without a token.

    `past` are the events that a worker may fetch separately from the request. `parts` and `trace` are what was received
    so far of an answer in parts. All tokens that were handed out for the work are valid until it is done: the first
    answer counts.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        request: pb.WorkItem,
        *,
        instance_id: str,
        version: str | None = None,
        past: Sequence[pb.HistoryEvent] = (),
    ) -> None:
        self.kind: Kind = kind
        self.name = name
        self.version = version
        self.instance_id = instance_id
        self.request = request
        self.past = past
        self.tokens: set[str] = set()
        self.parts: list[pb.OrchestratorAction] = []
        self.trace: pb.OrchestrationTraceContext | None = None
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def is_done(self) -> bool:
        return self.answer.done()

    def finish(self, answer: object) -> None:
        """Set the worker's answer."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def refuse(self, reason: str) -> None:
        """Fail the work, because no worker can do it."""
        if not self.answer.done():
            self.answer.set_exception(WorkTooLarge(reason))
