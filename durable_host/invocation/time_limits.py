"""Time limits of calls; `pool` ends a call that is over its limit. One timer serves all calls with the same limit.

`asyncio.timeout` does the same with a timer of its own for each call, which takes a tenth of the host's time for an
HTTP request.
"""

import asyncio


class TimeLimits:
    """The running calls, by the length of their limit. The first of those with equal limits expires first."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends: dict[float, dict[TimeLimit, float]] = {}

    def limit(self, seconds: float) -> "TimeLimit":
        """A context manager that raises TimeoutError if its block takes longer, and cancels what the block awaits."""
        end = self._loop.time() + seconds
        ends = self._ends.get(seconds)
        if ends is None:
            ends = self._ends[seconds] = {}
            self._loop.call_at(end, self._check, seconds)
        return TimeLimit(self._loop, ends, end)

    def _check(self, seconds: float) -> None:
        """End the calls whose time is over, and check again when the next one expires."""
        ends, now = self._ends[seconds], self._loop.time()
        for limit, end in list(ends.items()):
            if end > now:
                self._loop.call_at(end, self._check, seconds)
                return
            del ends[limit]
            limit.expire()
        del self._ends[seconds]


class TimeLimit:
    """The limit of one call; see `TimeLimits.limit`."""

    __slots__ = ("_cancelling", "_end", "_ends", "_is_over", "_loop", "_task")

    def __init__(self, loop: asyncio.AbstractEventLoop, ends: dict["TimeLimit", float], end: float) -> None:
        self._loop = loop
        self._ends = ends
        self._end = end
        self._is_over = False

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._ends[self] = self._end

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if not self._is_over:
            self._ends.pop(self, None)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        self._is_over = True
        self._task.cancel()
