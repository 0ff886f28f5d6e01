"""Logs when a storage service stops answering all requests for some seconds, and when it answers again.

All requests of an account report here, so that the service is logged once and not for each request.
"""

import asyncio
import logging
import time

_log = logging.getLogger("Host.Storage")

STALL_SECONDS = 5.0


class Standstill:
    """Tracks the services of one account, which owns it. The log adds `advice`: the kind of storage, and what helps."""

    def __init__(self) -> None:
        self.advice = ""
        self._last_answer: dict[str, float] = {}
        self._since: dict[str, float] = {}

    def watch(self, service: str, seconds: float = STALL_SECONDS) -> "Watch":
        """A request was sent to `service` (its name and address); end the watch with the request."""
        return Watch(self, service, seconds)

    def answered(self, service: str) -> None:
        """`service` has answered a request."""
        self._last_answer[service] = time.monotonic()
        if self._since and (since := self._since.pop(service, None)) is not None:
            _log.warning("%s answers again, after %.0f s.", service, time.monotonic() - since)

    def silence(self, service: str) -> float:
        """Seconds since the last answer to any request; infinite if there was none."""
        last = self._last_answer.get(service)
        return float("inf") if last is None else time.monotonic() - last

    def stalled(self, service: str, seconds: float) -> None:
        """Note that no request to `service` was answered for `seconds`."""
        if service in self._since:
            return
        self._since[service] = time.monotonic() - seconds
        _log.warning(
            "%s has not answered for %.0f s. Operations that need it wait, and fail when they time out.%s",
            service,
            seconds,
            f" {self.advice}" if self.advice else "",
        )


class Watch:
    """A running request. If other requests are answered while it waits, the service is not considered stalled."""

    __slots__ = ("_handle", "_seconds", "_service", "_standstill")

    def __init__(self, standstill: Standstill, service: str, seconds: float) -> None:
        self._standstill = standstill
        self._service = service
        self._seconds = seconds
        self._handle = asyncio.get_running_loop().call_later(seconds, self.check)

    def end(self) -> None:
        self._handle.cancel()

    def check(self) -> None:
        """Check after the time limit whether any request was answered in the meantime."""
        remaining = self._seconds - self._standstill.silence(self._service)
        if remaining > 0:
            self._handle = asyncio.get_running_loop().call_later(remaining, self.check)
        else:
            self._standstill.stalled(self._service, self._seconds)
