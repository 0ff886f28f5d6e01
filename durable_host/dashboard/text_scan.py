"""A search for a text in the inputs, outputs and custom statuses of a hub that cannot search."""

import asyncio
import logging
from collections.abc import Callable, Iterable

import msgspec

from durable_host.durable.api import DurableClient
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.instance_search import spellings
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.supervision import Tasks

_log = logging.getLogger("Host.Dashboard")

ROWS_OF_PAGE = 1000
FIRST_ANSWER_WITHIN = 0.3
"""Seconds for which the first question waits for what is read."""


class TextScan:
    """A search for one text in all rows, page by page, with inputs and outputs."""

    def __init__(
        self, client: DurableClient, tasks: Tasks, text: str, notify: Callable[[list[str] | None], None]
    ) -> None:
        self.text = text
        self.matching: set[str] = set()
        self.scanned = 0
        self.is_done = False
        self.has_failed = False
        self._spellings = spellings(text)
        self._client = client
        self._notify = notify
        self._ended = asyncio.Event()
        self._task = tasks.run("search in the task hub", self._scan())

    def close(self) -> None:
        self._task.cancel()

    def add(self, instance_id: str, texts: Iterable[str | None]) -> None:
        """Look at the texts of an instance."""
        for text in texts:
            lower = text.lower() if text else ""
            if any(one in lower for one in self._spellings):
                self.matching.add(instance_id)

    async def something_found(self) -> None:
        try:
            async with asyncio.timeout(FIRST_ANSWER_WITHIN):
                await self._ended.wait()
        except TimeoutError:
            return

    async def _scan(self) -> None:
        token: str | None = None
        try:
            while True:
                query = msgspec.structs.replace(rows_after(token), fetch_input=True, fetch_output=True)
                page = await self._client.query(query)
                for state in page.instances:
                    self.add(state.instance_id, (state.custom_status, state.input, state.output))
                self.scanned += len(page.instances)
                if (token := page.continuation_token) is None:
                    break
                self._notify(None)
            self.is_done = True
        except TaskHubUnavailable as error:
            self.has_failed = True
            _log.debug("The task hub could not be searched: %s", error)
        finally:
            self._ended.set()
        self._notify(None)


def rows_after(token: str | None) -> InstanceQuery:
    """The query for the next page of orchestrations, without their inputs and outputs."""
    return InstanceQuery(
        exclude_entities=True, fetch_input=False, fetch_output=False, top=ROWS_OF_PAGE, continuation_token=token
    )
