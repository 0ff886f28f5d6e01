"""Queries one page of instances, and raises the caller's mistakes as `InvalidArgument`."""

from durable_host.durable.api.errors import InvalidArgument, InvalidToken
from durable_host.durable.model.instance import InstancePage, InstanceQuery
from durable_host.durable.taskhub.port import NotAToken, TaskHub


async def query_page(hub: TaskHub, query: InstanceQuery) -> InstancePage:
    """Return one page.

    Raises `InvalidArgument` for a page size below 1, and `InvalidToken` for a text that is not a continuation token.
    """
    if query.top < 1:
        raise InvalidArgument(f"The page size must be at least 1, not {query.top}. (Parameter 'top')")
    try:
        return await hub.query_instances(query)
    except NotAToken as error:
        raise InvalidToken(f"{error} (Parameter 'x-ms-continuation-token')") from error
