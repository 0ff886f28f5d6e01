"""Another app's task hub, for clients only. A missing hub is treated as empty and created by the first write.

Source: docs/protocol/durable-http-api.md#paths-and-query-parameters
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure.hub import AzureTaskHub
from durable_host.durable.taskhub.port import TaskHubUnavailable
from durable_host.storage import StorageError

T = TypeVar("T")


class ForeignAzureHub(AzureTaskHub):
    """A hub that a client names in its request."""

    async def create_instance(
        self, start: TaskMessage, *, dedupe_statuses: frozenset[OrchestrationStatus]
    ) -> InstanceState:
        create = super().create_instance
        return await self._made(lambda: create(start, dedupe_statuses=dedupe_statuses))

    async def send(self, message: TaskMessage) -> None:
        send = super().send
        await self._made(lambda: send(message))

    async def get_instance(
        self, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
    ) -> InstanceState | None:
        found = super().get_instance(instance_id, fetch_input=fetch_input, fetch_output=fetch_output)
        return await _unless_missing(found, None)

    async def query_instances(self, query: InstanceQuery) -> InstancePage:
        return await _unless_missing(super().query_instances(query), InstancePage([], None))

    async def get_history(self, instance_id: str) -> list[HistoryEvent]:
        return await _unless_missing(super().get_history(instance_id), [])

    async def purge_instance(self, instance_id: str) -> bool:
        return await _unless_missing(super().purge_instance(instance_id), False)

    async def _made(self, write: Callable[[], Awaitable[T]]) -> T:
        try:
            return await write()
        except TaskHubUnavailable as error:
            if not _is_missing(error):
                raise
        await self.create()
        return await write()


async def _unless_missing(read: Awaitable[T], nothing: T) -> T:
    try:
        return await read
    except TaskHubUnavailable as error:
        if _is_missing(error):
            return nothing
        raise


def _is_missing(error: TaskHubUnavailable) -> bool:
    return isinstance(error.__cause__, StorageError) and error.__cause__.is_missing_resource
