"""The description of one endpoint of the dashboard's API: how it is found, checked and documented."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from durable_host.dashboard.api_call import DashboardCall, NoParameters

Answering = Callable[[DashboardCall[Any, Any]], Awaitable[Any]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` handles a call and returns a Struct of the type `returns`, or a whole response.

    `path` is below `/_df/api`, with `{parameters}`, each of which is one segment. `query` and `body` are Structs.
    `returns` None means that the response is not JSON: its content type is `content_type`. `errors` are the statuses of
    errors besides 400, 403 and 503. Methods other than GET are actions unless `changes_nothing`.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    summary: str
    answer: Answering
    returns: Any
    query: type[Any] = NoParameters
    body: type[Any] | None = None
    status: int = 200
    content_type: str = "application/json"
    errors: tuple[int, ...] = ()
    changes_nothing: bool = False

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """The parameters in a path, whose `segments` are percent-encoded; None if it is another path.

        Raises UnicodeDecodeError for a parameter that is not UTF-8.
        """
        own = self.path.split("/")[1:]
        if len(own) != len(segments):
            return None
        found: dict[str, str] = {}
        for template, segment in zip(own, segments, strict=True):
            if template.startswith("{"):
                found[template[1:-1]] = unquote(segment, errors="strict")
            elif template != segment:
                return None
        return found
