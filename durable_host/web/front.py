"""Routes each request to the part of the host that handles it.

Built-in routes come before functions, the home page after them.

Source: docs/protocol/functions-host-http.md#built-in-routes,
    docs/protocol/functions-host-admin.md#webhooks,
    docs/protocol/functions-host-http.md#cors,
    docs/protocol/functions-host-admin.md#home-page
"""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import hdrs, web
from yarl import URL

from durable_host.durable.api.client_payload import WEBHOOK_PATH
from durable_host.durable.api.http import DurableHttpApi, raw_tail
from durable_host.http_port import BODY_MISTAKES, ExpressAnswer, PlainRequest, body_refusal, guarded
from durable_host.http_port.local_names import is_local_host
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.blob.webhook import WEBHOOK_PATH as BLOBS_PATH
from durable_host.triggers.blob.webhook import BlobWebhook
from durable_host.triggers.event_grid.webhook import EVENT_GRID_PATH, EventGridWebhook
from durable_host.triggers.http.absent import AbsentRoutes
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.http.paths import without_dots
from durable_host.triggers.http.reply import HttpFunctionReply
from durable_host.triggers.http.routes import LONGEST_KEPT, MOST_KEPT, RouteMatch
from durable_host.triggers.http.streamed import RESPONSE_HEADERS
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.triggers.mcp.webhook import WEBHOOK_PATH as MCP_PATH
from durable_host.triggers.mcp.webhook import McpWebhook
from durable_host.web.admin import AdminApi, needs_no_key
from durable_host.web.admin_host import Answer
from durable_host.web.keys import Access, KeysUnavailable, Verdict
from durable_host.web.local_only import REFUSAL, is_local_request
from durable_host.web.running_requests import RunningRequests

_log = logging.getLogger("Host.Triggers.Http")

DURABLE_KEY = "durabletask_extension"
BLOBS_KEY = "blobs_extension"
MCP_KEY = "mcp_extension"
WEBHOOKS_PATH = "/runtime/webhooks/"
EVENT_GRID_KEY = "eventgrid_extension"
DASHBOARD_PATH = "/_df"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Front:
    """Handles all requests to the host's port. There are no functions until `adopt` is called.

    `home` creates the page at `/`, with or without the list of functions. `dashboard` handles `/_df` and everything
    below; None leaves these paths to the functions. While `access` is set, callers need keys, except for the dashboard.
    While `offline_page` is set, it is the response of all functions.
    """

    def __init__(
        self,
        admin: AdminApi,
        *,
        home: Callable[[bool], str | None],
        cors: CorsPolicy | None,
        access: Access | None = None,
        dashboard: Handler | None = None,
        body_limit: int,
    ) -> None:
        self.offline_page: bytes | None = None
        self._http: HttpTrigger | None = None
        self._durable: DurableHttpApi | None = None
        self._blobs: BlobWebhook | None = None
        self._event_grid: EventGridWebhook | None = None
        self._absent: AbsentRoutes | None = None
        self._mcp: McpWebhook | None = None
        self._admin = admin
        self._home = home
        self._cors = cors
        self.access = access
        self._dashboard = None if dashboard is None else guarded(dashboard, body_limit)
        self._guarded = guarded(self._answer, body_limit)
        self._body_limit = body_limit
        self._running = RunningRequests()
        self._plain: dict[tuple[str, str], RouteMatch[FunctionMetadata]] = {}

    def adopt(
        self,
        http: HttpTrigger,
        durable: DurableHttpApi | None,
        blobs: BlobWebhook | None,
        event_grid: EventGridWebhook | None = None,
        absent: AbsentRoutes | None = None,
        mcp: McpWebhook | None = None,
    ) -> None:
        """Route new requests to these functions; running requests finish unchanged."""
        self._http, self._durable, self._blobs, self._event_grid = http, durable, blobs, event_grid
        self._absent, self._mcp = absent, mcp
        self._plain.clear()

    async def drain(self, grace: float) -> None:
        """Wait until no function works on a request, at most `grace` seconds."""
        await self._running.wait_none(grace)

    def express(self, request: PlainRequest) -> ExpressAnswer | None:
        """Begin the answer of a function to a plain request, if nothing but the function decides about the response."""
        if self.access is not None or self.offline_page is not None or self._http is None:
            return None
        if request.size > self._body_limit or (self._cors is not None and hdrs.ORIGIN in request.headers):
            return None
        method, path = request.method, request.rel_url.raw_path
        match = self._plain.get((method, path)) or self._find_plain(self._http, method, path)
        return self._express(self._http, request, match) if match is not None else None

    async def _express(
        self, http: HttpTrigger, request: PlainRequest, match: RouteMatch[FunctionMetadata]
    ) -> bytes | web.StreamResponse:
        try:
            with self._running:
                return await http.express(request, match)
        except BODY_MISTAKES as error:
            return body_refusal(request, error, self._body_limit)

    def _find_plain(self, http: HttpTrigger, method: str, path: str) -> RouteMatch[FunctionMetadata] | None:
        """Find the function that answers plain requests to this path, and keep it for `express`."""
        if (
            len(method) + len(path) > LONGEST_KEPT
            or http.custom_headers
            or "%00" in path
            or without_dots(path) != path
            or (self._dashboard is not None and _is_below(path, DASHBOARD_PATH))
            or self._built_in(method, path) is not None
        ):
            return None
        match = http.match(method, path)
        if match is None or not http.takes_express(match.route.target):
            return None
        if len(self._plain) >= MOST_KEPT:
            self._plain.clear()
        self._plain[method, path] = match
        return match

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Respond to any request. The CORS settings and the custom headers of the app are not for the dashboard."""
        if self._dashboard is not None and _is_below(request.rel_url.raw_path, DASHBOARD_PATH):
            return await self._dashboard(request)
        if self._cors is not None and self._cors.is_preflight(request.method, request.headers):
            return web.Response(status=204, headers=self._cors.preflight_headers(request.headers))
        headers = self._cors.response_headers(request.headers) if self._cors is not None else {}
        if headers:
            request[RESPONSE_HEADERS] = headers
        response = await self._guarded(request)
        if "Upgrade" in request.headers:
            # The client may send the other protocol next on this connection, which is not supported.
            response.force_close()
        if not response.prepared:
            if self._http is not None and self._http.custom_headers:
                response.headers.update(self._http.custom_headers)
            if headers:
                response.headers.update(headers)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if not _is_below(path, WEBHOOK_PATH):  # There, dots and the null character may be part of an instance ID.
            if (resolved := without_dots(path)) != path:
                query = request.rel_url.raw_query_string
                request = request.clone(rel_url=URL.build(path=resolved, query_string=query, encoded=True))
                path = resolved
            if "%00" in path:
                return web.Response(status=400)
        if (built_in := self._built_in(request.method, path)) is not None:
            if not is_local_request(request):
                return web.json_response({"Message": REFUSAL}, status=403)
            return await built_in(request)
        if (offline := self._offline_answer()) is not None:
            return offline
        match = self._http.match(request.method, path) if self._http is not None else None
        if match is not None:
            return await self._function(request, match)
        if self._absent is not None and self._http is not None:
            explain = self._http.details.for_host(request.host)
            reply = self._absent.reply(request.method, path, request.headers.get("Accept", ""), explain=explain)
            if reply is not None:
                return await self._unserved(request, reply)
        if path == "/":
            page = self._home(is_local_host(request.host))
            return web.Response(status=204) if page is None else web.Response(text=page, content_type="text/html")
        return web.Response(status=404)

    async def _unserved(self, request: web.Request, reply: HttpFunctionReply) -> web.Response:
        """A response with the reason, for callers with the master key; without keys, for all callers."""
        if self.access is not None and await _refusal(self.access.admin(request)) is not None:
            return web.Response(status=reply.status)
        return web.Response(status=reply.status, headers=dict(reply.headers), body=reply.body or None)

    async def _function(self, request: web.Request, match: RouteMatch[FunctionMetadata]) -> web.StreamResponse:
        http, access = self._http, self.access
        assert http is not None
        with self._running:
            if access is None:
                return await http.handle(request, match)
            with http.held() as workers:
                refusal = await _refusal_of_function(access.allows(request, match.route.target))
                if refusal is None and http.is_disabled(match.route.target) and not await access.is_admin(request):
                    return web.Response(status=404)
                return refusal or await http.handle(request, match, workers)

    def _built_in(self, method: str, path: str) -> Handler | None:
        """The handler of a built-in route, or None. Other paths below `/admin` and `/runtime` belong to functions."""
        if path[:7].lower() == "/admin/":
            segments = [part for part in path[7:].split("/") if part]
            answer = self._admin.find(method, segments)
            return partial(self._answer_admin, segments=segments, answer=answer) if answer is not None else None
        return partial(self._answer_webhook, path=path) if path[: len(WEBHOOKS_PATH)].lower() == WEBHOOKS_PATH else None

    async def _answer_webhook(self, request: web.Request, path: str) -> web.StreamResponse:
        if _is_below(path, WEBHOOK_PATH):
            refusal = await self._refusal_of_extension(request, DURABLE_KEY)
            if refusal is not None or self._durable is None:
                return refusal or web.Response(status=404)
            return await self._durable.handle(request, raw_tail(request, WEBHOOK_PATH), "webhook")
        if self._blobs is not None and path.rstrip("/").lower() == BLOBS_PATH:
            refusal = await self._refusal_of_extension(request, BLOBS_KEY)
            return refusal or await self._blobs.handle(request)
        if self._event_grid is not None and path.rstrip("/").lower() == EVENT_GRID_PATH:
            if (refusal := await self._refusal_of_extension(request, EVENT_GRID_KEY)) is not None:
                return refusal
            if (offline := self._offline_answer()) is not None:
                return offline
            with self._running:
                return await self._event_grid.handle(request)
        if self._mcp is not None and _is_below(path, MCP_PATH):
            return await self._answer_mcp(request, self._mcp, path[len(MCP_PATH) :])
        refusal = await _refusal(self.access.any_key(request)) if self.access is not None else None
        return refusal or web.Response(status=404)

    async def _answer_admin(self, request: web.Request, segments: list[str], answer: Answer) -> web.Response:
        if self.access is not None and not needs_no_key(segments):
            refusal = await _refusal(self.access.admin(request))
            if refusal is not None:
                return refusal
        return await answer(request)

    async def _answer_mcp(self, request: web.Request, mcp: McpWebhook, tail: str) -> web.StreamResponse:
        if not mcp.is_anonymous and (refusal := await self._refusal_of_extension(request, MCP_KEY)) is not None:
            return refusal
        if (offline := self._offline_answer()) is not None:
            return offline
        return await mcp.handle(request, tail)

    def _offline_answer(self) -> web.Response | None:
        """The response of all functions while the app is offline; None while it is online."""
        if self.offline_page is None:
            return None
        return web.Response(status=503, body=self.offline_page, content_type="text/html")

    async def _refusal_of_extension(self, request: web.Request, system_key: str) -> web.Response | None:
        if self.access is None:
            return None
        return await _refusal(self.access.extension(request, system_key))


def _is_below(path: str, top: str) -> bool:
    return path[: len(top)].lower() == top and path[len(top) :][:1] in ("", "/")


async def _refusal(verdict: Awaitable[Verdict]) -> web.Response | None:
    """The response to a caller that may not use a built-in route; None if the caller may."""
    try:
        match await verdict:
            case Verdict.ALLOWED:
                return None
            case Verdict.UNKNOWN:
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
            case Verdict.FORBIDDEN:
                return web.Response(status=403)
    except KeysUnavailable as error:
        return _without_keys(error)


async def _refusal_of_function(allowed: Awaitable[bool]) -> web.Response | None:
    """The response to a caller that may not run a function; None if the caller may."""
    try:
        return None if await allowed else web.Response(status=401)
    except KeysUnavailable as error:
        return _without_keys(error)


def _without_keys(error: KeysUnavailable) -> web.Response:
    _log.error("%s %s", error, error.cause or "")
    return web.Response(status=503)
