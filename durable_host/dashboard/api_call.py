"""One call of the dashboard's API: its path, query and body, already checked."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec
from aiohttp import web

from durable_host.dashboard.api_errors import DashboardError
from durable_host.dashboard.context import DashboardContext
from durable_host.dashboard.sources import HubSource
from durable_host.http_port import read_body

Query = TypeVar("Query")
Body = TypeVar("Body")


class DashboardCall(Generic[Query, Body]):
    """A call. `path` has the decoded `{parameters}` of the path; `query` and `body` have the types of the endpoint."""

    __slots__ = ("body", "context", "path", "query", "request")

    def __init__(
        self, request: web.Request, context: DashboardContext, path: Mapping[str, str], query: Query, body: Body
    ) -> None:
        self.request = request
        self.context = context
        self.path = path
        self.query = query
        self.body = body

    @property
    def hub(self) -> HubSource:
        """The task hub. Raises DashboardError if the app has none."""
        return self.context.hub()


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An endpoint without query parameters."""


def query_of(request: web.Request, type_: type[Any]) -> Any:
    """The query parameters as the Struct `type_`. Raises DashboardError for unknown, repeated or wrong ones."""
    parameters = request.rel_url.query
    if len(set(parameters)) != len(parameters):
        raise DashboardError(400, "A query parameter is given twice.", remedy="Give each parameter once.")
    try:
        return msgspec.convert(dict(parameters), type_, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise DashboardError(
            400, f"The query is not valid: {_reason(error)}", remedy="/_df/openapi.json describes the parameters."
        ) from None


async def body_of(request: web.Request, type_: type[Any]) -> Any:
    """The JSON body as the Struct `type_`; an empty body counts as `{}`. Raises DashboardError."""
    content = await read_body(request) or b"{}"
    try:
        return msgspec.json.decode(content, type=type_)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = _reason(error)
    raise DashboardError(
        400, f"The body is not valid: {reason}", remedy="/_df/openapi.json describes the body of each request."
    )


def _reason(error: Exception) -> str:
    return str(error)[:300]
