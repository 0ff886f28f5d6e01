"""Kills worker processes on purpose while they run a function."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeVar

from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.language_worker import LanguageWorker
from durable_host.invocation.worker_exit import lost_in_given_up

T = TypeVar("T")

Kill = Literal["before", "after", "instead"]
Kills = Callable[[str, str | None], Kill | None]
"""Decides whether a call of a function (and of a durable instance, if any) kills its worker: before the code has ended,
after that, so that the result is lost, or instead of running it."""

ON_PURPOSE = "it was killed on purpose"


async def killed_in(running: Coroutine[Any, Any, T], process: LanguageWorker, kill: Kill) -> T:
    """Run a call and kill its process. Raises WorkerLost, even if the call ends before the kill."""
    if kill == "before":
        call = asyncio.ensure_future(running)
        await asyncio.sleep(0)  # The call is sent now.
        process.give_up(ON_PURPOSE)
        with contextlib.suppress(FunctionFailed):
            await call
    elif kill == "instead":
        running.close()
    else:
        with contextlib.suppress(Exception):
            await running
    process.give_up(ON_PURPOSE)
    await asyncio.shield(process.exited)
    raise lost_in_given_up(ON_PURPOSE)
