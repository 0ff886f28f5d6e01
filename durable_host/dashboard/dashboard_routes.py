"""Handles the requests below `/_df`: the page, its files and its API.

Only programs on this machine, and the page itself, may use it: see `refuse_foreign_callers`.
"""

import logging
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from durable_host.dashboard.api_call import DashboardCall, body_of, query_of
from durable_host.dashboard.api_errors import (
    UNKNOWN_ROUTE,
    DashboardError,
    ErrorAnswer,
    as_dashboard_error,
    details_of,
)
from durable_host.dashboard.context import DashboardContext
from durable_host.dashboard.dashboard_headers import HEADERS
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.endpoint_table import ENDPOINTS
from durable_host.dashboard.openapi import openapi_document
from durable_host.dashboard.page import DashboardPage
from durable_host.dashboard.sources import DashboardSources
from durable_host.web.local_only import is_local_request

_log = logging.getLogger("Host.Dashboard")

ROOT = "/_df"
TOKEN_HEADER = "X-DF-Token"


class Dashboard:
    """Answers requests until `close`. The caller passes only requests for `/_df` and below."""

    def __init__(self, sources: DashboardSources) -> None:
        token = secrets.token_urlsafe(32)
        self.context = DashboardContext(sources, token)
        self._page = DashboardPage(None if sources.is_read_only else token)
        self._openapi: bytes | None = None

    async def close(self) -> None:
        """End the streams of open pages, and what is kept for them."""
        await self.context.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to a request. Errors of the API are JSON."""
        try:
            response = await self._answer(request)
        except (web.HTTPException, web.RequestPayloadError, ConnectionError):
            raise
        except Exception as error:
            response = _error_response(error, request)
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        refuse_foreign_callers(request)
        path = request.rel_url.raw_path[len(ROOT) :]
        is_read = request.method in ("GET", "HEAD")
        if path.startswith("/api/"):
            return await self._call(request, path[len("/api/") :].split("/"))
        if not is_read:
            raise DashboardError(405, "The page can only be read.", code=UNKNOWN_ROUTE, allowed=("GET", "HEAD"))
        if not path:
            return web.Response(status=302, headers={"Location": f"{ROOT}/", "Cache-Control": "no-store"})
        if path == "/openapi.json":
            return self._document()
        if path.startswith("/assets/"):
            asset = self._page.asset(path[len("/assets/") :], request)
            if asset is None:
                raise DashboardError(404, "The page has no such file.", code=UNKNOWN_ROUTE)
            return asset
        return self._page.shell()

    async def _call(self, request: web.Request, segments: list[str]) -> web.StreamResponse:
        endpoint, path = _found(request.method, segments)
        context = self.context
        if endpoint.method != "GET":
            self._admit(request, endpoint)
        query = query_of(request, endpoint.query)
        body = await body_of(request, endpoint.body) if endpoint.body is not None else None
        answer = await endpoint.answer(DashboardCall(request, context, path, query, body))
        if isinstance(answer, web.StreamResponse):
            return answer
        return _json_response(answer, endpoint.status)

    def _admit(self, request: web.Request, endpoint: Endpoint) -> None:
        """Raise DashboardError for an action that is refused. A read-only dashboard has no token to ask for."""
        if not self.context.sources.is_read_only:
            check_token(request, self.context.token)
        elif not endpoint.changes_nothing:
            raise DashboardError(
                403,
                "This dashboard is read-only.",
                code="DH3052",
                remedy="Start it with --allow-actions, or use the dashboard of 'func start'.",
            )

    def _document(self) -> web.Response:
        if self._openapi is None:
            self._openapi = msgspec.json.encode(openapi_document(ENDPOINTS))
        return _response(self._openapi, 200)


def refuse_foreign_callers(request: web.Request) -> None:
    """Raise DashboardError unless the caller is a program on this machine, or a page of this origin.

    Unlike for the management API, pages of other ports of this machine are refused too: the CORS settings of the app
    are not for the dashboard.
    """
    sites = set(request.headers.getall("Sec-Fetch-Site", ()))
    origins = request.headers.getall("Origin", ())
    if (
        not is_local_request(request)
        or not sites <= {"same-origin", "none"}
        or any(not _is_own_origin(origin, request) for origin in origins)
    ):
        raise DashboardError(
            403,
            "Only this machine may use the dashboard: the request comes from another machine, from a page of another "
            "origin, or does not name this machine as its host.",
            code="DH3050",
            remedy="Type the URL of the dashboard into the browser's address bar; links on other pages do not work.",
        )


def _is_own_origin(origin: str, request: web.Request) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme == request.scheme and parts.netloc.lower() == request.host.lower()


def check_token(request: web.Request, token: str) -> None:
    """Raise DashboardError unless the request has the token of this process."""
    given = request.headers.get(TOKEN_HEADER, "")
    if not secrets.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
        raise DashboardError(
            403,
            f"The request has no valid token in the header {TOKEN_HEADER}.",
            code="DH3051",
            remedy="Reload the page. A script gets the token from GET /_df/api/session.",
        )


def _found(method: str, segments: list[str]) -> tuple[Endpoint, Mapping[str, str]]:
    """The endpoint of a path, and the parameters in it. Raises DashboardError."""
    wanted = "GET" if method == "HEAD" else method
    others: list[str] = []
    for endpoint in ENDPOINTS:
        try:
            path = endpoint.match(segments)
        except UnicodeDecodeError:
            raise DashboardError(400, "The path is not UTF-8.") from None
        if path is not None:
            if endpoint.method == wanted:
                return endpoint, path
            others.append(endpoint.method)
    if others:
        raise DashboardError(405, f"This path takes {' and '.join(others)}.", code=UNKNOWN_ROUTE, allowed=tuple(others))
    raise DashboardError(
        404, "The API has no such path.", code=UNKNOWN_ROUTE, remedy="/_df/openapi.json lists the paths."
    )


def _json_response(answer: Any, status: int) -> web.Response:
    return _response(_encoded(answer), status)


def _encoded(answer: Any) -> bytes:
    """JSON in UTF-8. Unpaired surrogates, which storage may contain, become U+FFFD."""
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        return msgspec.json.encode(_well_formed(msgspec.to_builtins(answer)))


def _well_formed(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_well_formed(name): _well_formed(one) for name, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [_well_formed(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _response(body: bytes, status: int) -> web.Response:
    return web.Response(
        body=body,
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )


def _error_response(error: Exception, request: web.Request) -> web.Response:
    known = as_dashboard_error(error)
    if known is None:
        _log.error("The dashboard failed at %s %s", request.method, request.rel_url.raw_path, exc_info=error)
        known = DashboardError(500, f"{type(error).__name__}: {error}", code="DH1000", remedy="Report this error.")
    response = _json_response(ErrorAnswer(details_of(known)), known.status)
    if known.allowed:
        response.headers["Allow"] = ", ".join(known.allowed)
    return response
