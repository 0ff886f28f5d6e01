"""Reads all pages of an instance query."""

import heapq
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState


async def all_instances(
    read_page: Callable[[InstanceQuery], Awaitable[InstancePage]], query: InstanceQuery
) -> AsyncIterator[InstanceState]:
    """Yield all instances of the query, page by page."""
    async for page in all_pages(read_page, query):
        for state in page.instances:
            yield state


async def all_pages(
    read_page: Callable[[InstanceQuery], Awaitable[InstancePage]], query: InstanceQuery
) -> AsyncIterator[InstancePage]:
    """Yield all pages of the query."""
    while True:
        page = await read_page(query)
        yield page
        if page.continuation_token is None:
            return
        query = msgspec.structs.replace(query, continuation_token=page.continuation_token)


async def ended_instances(
    read_page: Callable[[InstanceQuery], Awaitable[InstancePage]], query: EndedQuery
) -> list[tuple[int, str]]:
    """Return a page of ended orchestrations from storage that orders instances by ID only: it reads all that ended and
    were created early enough.
    """
    wanted = InstanceQuery(
        created_to=query.ended_to,
        ended_before=query.ended_to,
        statuses=query.statuses,
        exclude_entities=True,
        fetch_input=False,
        fetch_output=False,
        top=1000,
    )
    page: list[tuple[int, str]] = []
    async for state in all_instances(read_page, wanted):
        if query.takes(state.ended_time, state.instance_id):
            page.append((state.ended_time, state.instance_id))
        if len(page) >= 2 * query.top + 1000:
            page = heapq.nsmallest(query.top, page)
    return heapq.nsmallest(query.top, page)
