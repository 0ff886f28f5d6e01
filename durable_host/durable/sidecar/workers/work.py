"""A piece of work for plain workers, from the moment it is there until somebody has done it."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from durable_host.durable.proto import pb

Kind = Literal["orchestration", "activity", "entity"]


class WorkTooLarge(Exception):
    """No worker can receive the work; the text says why."""


class Work:
    """`name` and `version` are what filters look at. `request` is the message without a token. `past` are the events
    that a worker may fetch instead of getting them with the request. `parts` and `trace` are what came so far of an
    answer that comes in parts. All tokens that were ever handed out for it are valid until it is done: the first answer
    counts.
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
        """Hand over what the worker answered."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def refuse(self, reason: str) -> None:
        """No worker can do it."""
        if not self.answer.done():
            self.answer.set_exception(WorkTooLarge(reason))
