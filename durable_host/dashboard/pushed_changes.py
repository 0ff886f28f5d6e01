"""Pushes what changes to the open pages, as server-sent events: `GET /api/changes`.

Each page has one stream. A stream keeps what its page has not been sent yet, in a bounded form: a page that does not
read costs nothing, and gets later that everything may have changed.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from durable_host.dashboard.api_errors import DashboardError
from durable_host.dashboard.dashboard_headers import HEADERS
from durable_host.http_port import wait_disconnected

MOST_IDS = 100
MOST_PAGES = 64
SHORTEST_INTERVAL = 0.25
"""Seconds between two events about instances."""
MANY = 20
INTERVAL_OF_MANY = 1.0
"""Seconds after an event about more than `MANY` instances: nobody can follow them, and pages read their lists again."""
COST_SHARE = 20
"""Pages read their lists again after each event: the interval is this many times as long as that takes for all."""
LONGEST_INTERVAL = 5.0
HEARTBEAT = 15.0
GIVE_UP_AFTER = 60.0
"""Seconds after which a page that reads nothing is disconnected."""
RETRY_MILLISECONDS = 2000


class InstancesChanged(msgspec.Struct, frozen=True, rename="camel"):
    """The data of the event `instances`. With `is_all`, others may have changed too."""

    ids: list[str]
    is_all: bool


class ChangeStream:
    """What one page has not been sent yet. `only` narrows the events about instances to one of them."""

    def __init__(self, only: str | None) -> None:
        self._only = only
        self._ids: set[str] = set()
        self._is_all = False
        self._names: set[str] = set()
        self._hub: bytes | None = None
        self._wake = asyncio.Event()
        self.is_closed = False
        self.has_sent_many = False

    def instance(self, instance_id: str) -> None:
        """An instance has changed."""
        if self._is_all or (self._only is not None and self._only != instance_id):
            return
        self._ids.add(instance_id)
        if len(self._ids) > MOST_IDS:
            self.all_instances()
        self._wake.set()

    def all_instances(self) -> None:
        """Any instance may have changed."""
        self._ids.clear()
        self._is_all = True
        self._wake.set()

    def other(self, name: str) -> None:
        """Something of this name has changed: `entities`, `queues` or `functions`."""
        self._names.add(name)
        self._wake.set()

    def hub(self, body: bytes) -> None:
        """The state of the hub; only the latest is sent."""
        self._hub = body
        self._wake.set()

    def close(self) -> None:
        self.is_closed = True
        self._wake.set()

    async def next(self, instances_from: float, heartbeat: float) -> bytes:
        """Wait for something to send. Events about instances wait until `instances_from` (of the monotonic clock).

        Returns a comment after `heartbeat` seconds without events, and nothing when the stream is closed.
        """
        until = time.monotonic() + heartbeat
        while not self.is_closed:
            text = self._taken(may_take_instances=time.monotonic() >= instances_from)
            if text:
                return text
            pending = self._ids or self._is_all
            wait = min(until, instances_from if pending else until) - time.monotonic()
            if time.monotonic() >= until:
                return b": still here\n\n"
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, wait)):
                    await self._wake.wait()
        return b""

    def _taken(self, *, may_take_instances: bool) -> bytes:
        text = b""
        if may_take_instances and (self._ids or self._is_all):
            changed = InstancesChanged(sorted(self._ids), self._is_all)
            self.has_sent_many = self._is_all or len(self._ids) > MANY
            self._ids, self._is_all = set(), False
            text += event_text("instances", _json(changed))
        for name in sorted(self._names):
            text += event_text(name, b"{}")
        self._names.clear()
        if self._hub is not None:
            text += event_text("hub", self._hub)
            self._hub = None
        return text


class Changes:
    """The streams of all open pages. `opened` is called when the first page opens, `closed` when the last one closes.

    `list_seconds` is how long the latest answer with a list of instances took.
    """

    def __init__(self, opened: Callable[[], None], closed: Callable[[], None]) -> None:
        self.list_seconds = 0.0
        self._streams: set[ChangeStream] = set()
        self._opened = opened
        self._closed = closed
        self._is_over = False

    def __len__(self) -> int:
        return len(self._streams)

    def instance(self, instance_id: str) -> None:
        for stream in self._streams:
            stream.instance(instance_id)

    def all_instances(self) -> None:
        for stream in self._streams:
            stream.all_instances()

    def other(self, name: str) -> None:
        for stream in self._streams:
            stream.other(name)

    def hub(self, body: bytes) -> None:
        for stream in self._streams:
            stream.hub(body)

    def end(self) -> None:
        """Close all streams; there will be no more."""
        self._is_over = True
        for stream in self._streams:
            stream.close()

    async def serve(self, request: web.Request, only: str | None) -> web.StreamResponse:
        """Send events to a page until it closes. Raises DashboardError if too many pages are open."""
        if len(self._streams) >= MOST_PAGES or self._is_over:
            raise DashboardError(
                503, f"More than {MOST_PAGES} pages are open.", code="DH3056", remedy="Close some of them."
            )
        stream = ChangeStream(only)
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
        )
        self._streams.add(stream)
        watch = asyncio.ensure_future(wait_disconnected(request))
        watch.add_done_callback(lambda _: stream.close())
        try:
            if len(self._streams) == 1:
                self._opened()
            await response.prepare(request)
            await response.write(f"retry: {RETRY_MILLISECONDS}\n\n".encode())
            await self._send(response, stream)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            watch.cancel()
            self._streams.discard(stream)
            if not self._streams:
                self._closed()
        return response

    async def _send(self, response: web.StreamResponse, stream: ChangeStream) -> None:
        instances_from = 0.0
        while text := await stream.next(instances_from, HEARTBEAT):
            if b"event: instances\n" in text:
                instances_from = time.monotonic() + self._interval(stream.has_sent_many)
            async with asyncio.timeout(GIVE_UP_AFTER):
                await response.write(text)
        await response.write_eof()

    def _interval(self, has_sent_many: bool) -> float:
        shortest = INTERVAL_OF_MANY if has_sent_many else SHORTEST_INTERVAL
        cost = COST_SHARE * self.list_seconds * max(1, len(self._streams))
        return min(LONGEST_INTERVAL, max(shortest, cost))


def event_text(name: str, data: bytes) -> bytes:
    """One event. `data` is JSON, which contains no line breaks."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _json(changed: InstancesChanged) -> bytes:
    try:
        return msgspec.json.encode(changed)
    except UnicodeEncodeError:
        return b'{"ids":[],"isAll":true}'
