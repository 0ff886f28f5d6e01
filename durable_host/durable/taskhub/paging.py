"""Reads all pages of an instance query."""

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState


async def all_instances(
    read_page: Callable[[InstanceQuery], Awaitable[InstancePage]], query: InstanceQuery
) -> AsyncIterator[InstanceState]:
    """Yield all instances of the query, page by page."""
    while True:
        page = await read_page(query)
        for state in page.instances:
            yield state
        if page.continuation_token is None:
            return
        query = msgspec.structs.replace(query, continuation_token=page.continuation_token)
