"""What all calls of the dashboard share."""

import msgspec

from durable_host.dashboard.api_errors import NOT_HERE, DashboardError
from durable_host.dashboard.code_reader import CodeReader
from durable_host.dashboard.event_payloads import EventPayloads
from durable_host.dashboard.hub_numbers import HubNumbers
from durable_host.dashboard.hub_watch import HubWatch
from durable_host.dashboard.sources import AppSource, DashboardSources, HubSource


class DashboardContext:
    """The sources, the token of this process, and the parts that live as long as the dashboard."""

    def __init__(self, sources: DashboardSources, token: str) -> None:
        self.sources = sources
        self.token = token
        self.numbers = HubNumbers(sources)
        self.watch = HubWatch(sources, self._hub_body)
        self.reader = CodeReader()
        self.payloads = EventPayloads()

    async def close(self) -> None:
        """End the streams of open pages, and release what is kept for them."""
        await self.watch.close()

    async def _hub_body(self) -> bytes:
        """What pages get once a second."""
        return msgspec.json.encode(await self.numbers.read(len(self.watch.changes)))

    def hub(self) -> HubSource:
        """The task hub. Raises DashboardError if the app has none."""
        hub = self.sources.hub()
        if hub is None:
            raise DashboardError(
                409,
                "The app has no durable functions, so there is no task hub.",
                code=NOT_HERE,
                remedy="Add a durable function, or open another hub with 'func durable dashboard'.",
            )
        return hub

    def app(self) -> AppSource:
        """The app. Raises DashboardError if the dashboard shows a hub without a running app."""
        if self.sources.app is None:
            raise DashboardError(
                409, "No app runs in this process.", code="DH3055", remedy="Open the dashboard of 'func start'."
            )
        return self.sources.app
