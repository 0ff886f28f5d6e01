"""Counts work items whose worker process died while they ran, and gives them up after a few tries.

A worker that dies loses all its calls, although only one of them may be the cause. So a lost run counts for certain
only if nothing else ran in that worker; otherwise it makes the work item a suspect. A suspect makes its last try alone
in a worker process of its own, one suspect at a time. A work item that finishes is forgotten.
"""

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NoReturn, TypeVar

import msgspec

from durable_host.clock import Clock
from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.model.events import FailureDetails
from durable_host.durable.runtime.diagnostics import GIVEN_UP, Diagnostics
from durable_host.durable.user_code import LostRun, UserCode, WorkItemAborted, WorkItemLost

_log = logging.getLogger("Host.Triggers.DurableTask")

T = TypeVar("T")

MAX_TRIES = 3
_REMEMBERED = 10_000
_ERROR_TYPE = "WorkerLost"


class WorkItemId(msgspec.Struct, frozen=True):
    """An episode of an orchestration, a batch of an entity, or an activity (with its `task_id`)."""

    kind: Literal["orchestrator", "entity", "activity"]
    name: str
    instance_id: str
    execution_id: str | None = None
    task_id: int | None = None


class WorkItemGivenUp(Exception):
    """The work item fails for good. `text` says what happened and how often; `details` is the last output of the
    worker. `failure` says the same in the form of the 2.x protocol.
    """

    def __init__(self, text: str, details: str | None) -> None:
        super().__init__(text)
        self.text = f"{_ERROR_TYPE}: {text}"
        self.details = details
        self.failure = FailureDetails(_ERROR_TYPE, text, details)


class LostWork:
    """Runs user code for all runners and owns the counts, which are kept in memory only."""

    def __init__(self, code: UserCode, clock: Clock, diagnostics: Diagnostics) -> None:
        self._code = code
        self._clock = clock
        self._diagnostics = diagnostics
        self._lost: OrderedDict[WorkItemId, list[LostRun]] = OrderedDict()
        self._one_suspect = asyncio.Lock()
        self._in_code: set[str] = set()

    async def run(self, item: WorkItemId, run: Callable[[UserCode], Awaitable[T]], *, deliveries: int = 1) -> T:
        """Return the result of `run`. `deliveries` is how often the hub has delivered the work item; earlier deliveries
        that this process does not know count as one try.

        Raises WorkItemAborted when the work item must be retried, and WorkItemGivenUp when it must not.
        """
        has_session = item.kind != "activity"
        if has_session:
            self._in_code.add(item.instance_id)
        try:
            result = await (self._run_suspect(item, run) if self._is_suspect(item) else run(self._code))
        except WorkItemAborted as aborted:
            if aborted.lost is not None:
                self._count(item, aborted.lost, deliveries)
            elif deliveries == 1:
                self._remember(item, self._lost.get(item, []))  # nothing ran: the next delivery is the first try
            raise
        except WorkItemLost as lost:
            self._give_up(item, lost.runs)
        finally:
            if has_session:
                self._in_code.discard(item.instance_id)
        self._lost.pop(item, None)
        return result

    def is_in_code(self, instance_id: str) -> bool:
        """True while code of an orchestrator or entity runs for the instance."""
        return instance_id in self._in_code

    async def _run_suspect(self, item: WorkItemId, run: Callable[[UserCode], Awaitable[T]]) -> T:
        async with self._one_suspect:
            if self._is_suspect(item):
                _log.info(
                    "'%s' runs in its own worker process, because %d worker processes died while it ran.",
                    item.name,
                    MAX_TRIES - 1,
                    extra={"instance_id": item.instance_id, "function": item.name},
                )
                async with self._code.alone() as code:
                    return await run(code)
        return await run(self._code)

    def _is_suspect(self, item: WorkItemId) -> bool:
        return bool(self._lost) and len(self._lost.get(item, ())) >= MAX_TRIES - 1

    def _count(self, item: WorkItemId, lost: LostRun, deliveries: int) -> None:
        """Count a lost run. Raises WorkItemGivenUp."""
        runs = self._lost.pop(item, None)
        if runs is None:
            runs = [_BEFORE] if deliveries > 1 else []
        runs.append(lost)
        if len(runs) < MAX_TRIES or not lost.is_certain:
            self._remember(item, runs[: MAX_TRIES - 1])
            return
        # This work item ended those workers, so other work that ran in them is no longer suspect.
        for other in [
            other for other, known in self._lost.items() if known and not any(one.is_certain for one in known)
        ]:
            del self._lost[other]
        self._give_up(item, runs)

    def _give_up(self, item: WorkItemId, runs: Sequence[LostRun]) -> NoReturn:
        """Report the failure. Raises WorkItemGivenUp."""
        text = _failure_text(item.kind, runs)
        self._diagnostics.report(
            Diagnostic(
                code=GIVEN_UP,
                instance_id=item.instance_id,
                severity="error",
                text=f"'{item.name}' fails. {text}",
                timestamp=self._clock.now(),
                function=item.name,
            )
        )
        raise WorkItemGivenUp(text, runs[-1].details)

    def _remember(self, item: WorkItemId, runs: list[LostRun]) -> None:
        self._lost[item] = runs
        while len(self._lost) > _REMEMBERED:
            self._lost.popitem(last=False)


_BEFORE = LostRun("an earlier run was interrupted", is_certain=False)


def _failure_text(kind: str, runs: Sequence[LostRun]) -> str:
    counts = Counter(run.what for run in runs)
    happened = ", ".join(f"{what} ({count} time{'' if count == 1 else 's'})" for what, count in counts.items())
    return f"The {kind} was tried {len(runs)} times and never finished: {happened}."
