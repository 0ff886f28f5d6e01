"""Work for plain workers, from its creation until a worker has done it."""

import asyncio
from typing import Any, Literal
from weakref import WeakKeyDictionary

from durable_host.durable.proto import pb
from durable_host.durable.runtime.lost_work import MAX_TRIES
from durable_host.durable.sidecar.workers import encoded_fields
from durable_host.durable.user_code import LostRun, WorkItemLost

Kind = Literal["orchestration", "activity", "entity"]

MAX_UNCERTAIN_TRIES = 10
"""After this many lost runs, work fails even if other work of the same workers may have been the cause."""

_REQUEST_FIELDS: dict[Kind, int] = {"orchestration": 1, "activity": 2, "entity": 5}
_TOKEN_FIELD = 10
_REQUIRES_HISTORY_STREAMING = 6


class WorkFailed(Exception):
    """No worker will do the work. `error_type` and the text say why."""

    def __init__(self, error_type: str, text: str) -> None:
        super().__init__(text)
        self.error_type = error_type


class Work:
    """One piece of work. `name` and `version` are matched by filters.

    `request` is the encoded message without past events. `past` are these events, which a worker may fetch separately
    from the request. `parts` and `trace` are what was received so far of an answer in parts. All tokens that were
    handed out for the work are valid until it is done: the first answer counts. `abandoned_by` counts how often each
    worker has abandoned it, perhaps because of its version: the others come first.

    `lost_runs` are those in workers that disconnected. After two of them the work is a suspect: it runs in a worker
    that has nothing else, unless `may_share_worker`.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        request: bytes,
        *,
        instance_id: str,
        version: str | None = None,
        past: bytes = b"",
    ) -> None:
        self.kind: Kind = kind
        self.name = name
        self.version = version
        self.instance_id = instance_id
        self.request = request
        self.past = past
        self.tokens: set[str] = set()
        self.abandoned_by: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self.lost_runs: list[LostRun] = []
        self.may_share_worker = False
        self.parts: list[pb.OrchestratorAction] = []
        self.trace: pb.OrchestrationTraceContext | None = None
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def is_done(self) -> bool:
        return self.answer.done()

    @property
    def is_suspect(self) -> bool:
        return len(self.lost_runs) >= MAX_TRIES - 1

    def lose(self, run: LostRun) -> None:
        """Count a run whose worker disconnected. Fail the work after three, if the last was certain, or after ten."""
        self.lost_runs.append(run)
        is_convicted = run.is_certain and len(self.lost_runs) >= MAX_TRIES
        if (is_convicted or len(self.lost_runs) >= MAX_UNCERTAIN_TRIES) and not self.answer.done():
            self.answer.set_exception(WorkItemLost(self.lost_runs))

    def message(self, token: str, *, streams_past: bool) -> bytes:
        """Return the encoded WorkItem. With `streams_past` the worker fetches the past events separately."""
        past = encoded_fields.flag(_REQUIRES_HISTORY_STREAMING) if streams_past else self.past
        request = encoded_fields.field(_REQUEST_FIELDS[self.kind], self.request + past)
        return request + encoded_fields.field(_TOKEN_FIELD, token.encode())

    def finish(self, answer: object) -> None:
        """Set the worker's answer."""
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error_type: str, reason: str) -> None:
        """Fail the work, because no worker can do it."""
        if not self.answer.done():
            self.answer.set_exception(WorkFailed(error_type, reason))
