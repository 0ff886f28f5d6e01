"""The requests of `call_http` in a test: recorded, replaceable, and in memory if they are for the app itself."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import aiohttp
import msgspec

from durable_host.durable.engine.decisions import HTTP_ACTIVITY
from durable_host.durable.runtime.http_activity import HttpActivity, HttpCallRequest
from durable_host.durable.user_code import ActivityOutcome
from durable_host.testing.json_values import as_json
from durable_host.testing.stand_ins import CANCELED, ActivityRun, Replacement, StandIns


class RecordedHttpCalls(HttpActivity):
    """Asks `stand_ins` before it sends a request. It is inside `busy` until the response is there."""

    def __init__(
        self,
        stand_ins: StandIns,
        busy: Callable[[], AbstractContextManager[None]] = nullcontext,
        connector: Callable[[], aiohttp.BaseConnector | None] = lambda: None,
    ) -> None:
        super().__init__(connector)
        self._stand_ins = stand_ins
        self._busy = busy

    async def answer(self, request: HttpCallRequest, instance_id: str | None) -> ActivityOutcome:
        """Answer a request of an instance."""
        run_id = str(uuid.uuid4())
        text = as_json({name: value for name, value in msgspec.to_builtins(request).items() if value is not None})
        run = ActivityRun(run_id=run_id, function=HTTP_ACTIVITY, input=text, instance_id=instance_id)
        with self._busy():
            try:
                replacement = await self._stand_ins.activity_begins(run)
                outcome = await super().answer(request, instance_id) if replacement is None else _outcome(replacement)
            except asyncio.CancelledError:
                await self._stand_ins.activity_ended(run_id, None, CANCELED)
                raise
            await self._stand_ins.activity_ended(run_id, outcome.result, outcome.error)
        return outcome


def _outcome(replacement: Replacement) -> ActivityOutcome:
    if replacement.error is not None:
        return ActivityOutcome(error=replacement.error.message)
    return ActivityOutcome(result=replacement.result)
