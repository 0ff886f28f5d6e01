"""An event loop in a separate thread, so that both plain and async test functions can use it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, TypeVar

__tracebackhide__ = True

T = TypeVar("T")

in_callback: ContextVar[bool] = ContextVar("in_callback", default=False)
"""Whether this is a function of a test that the app calls and waits for."""


def refuse_in_callback() -> None:
    """Raise RuntimeError in a function of a test that the app waits for."""
    if in_callback.get():
        raise RuntimeError("The app waits for this function, so time stands still until it returns.")


class LoopThread:
    """An event loop in a thread. The constructor starts it; `close` ends it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    @property
    def id(self) -> int | None:
        """The thread, as log records name it."""
        return self._thread.ident

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def run(
        self,
        work: Coroutine[Any, Any, T],
        limit: float | None = None,
        inside: Callable[[], AbstractAsyncContextManager[None]] | None = None,
    ) -> T:
        """Run `work` in the loop, `inside` a context, and wait for the result. Interrupting the wait cancels the work.

        Raises RuntimeError in the thread of the loop, which would wait for itself, and after `close`; TimeoutError
        after `limit` seconds.
        """
        if self._loop.is_closed():
            work.close()
            raise RuntimeError("The app is closed.")
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("The app waits for this async function, which cannot call the app. Use a plain one.")
        future = asyncio.run_coroutine_threadsafe(work if inside is None else _inside(inside, work), self._loop)
        try:
            return future.result(limit)
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancel running tasks and stop the loop. Idempotent."""
        if self._loop.is_closed():
            return
        self.run(_end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _inside(context: Callable[[], AbstractAsyncContextManager[None]], work: Coroutine[Any, Any, T]) -> T:
    async with context():
        return await work


async def _end_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await asyncio.get_running_loop().shutdown_default_executor()
