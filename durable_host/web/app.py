"""Which part of the host answers a request.

Source: spec/functions-host.md, sections 3.1, 3.7, 3.8 and 7. Built-in routes come before functions, the home page
after them.
"""

from collections.abc import Callable

from aiohttp import web

from durable_host.durable.api import DurableHttpApi, raw_tail
from durable_host.durable.api.payload import WEBHOOK_PATH
from durable_host.triggers.blob.webhook import WEBHOOK_PATH as BLOBS_PATH
from durable_host.triggers.blob.webhook import BlobWebhook
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.http.trigger import HttpTrigger
from durable_host.web.admin import AdminApi
from durable_host.web.local_only import is_local_request

DEFAULT_BODY_LIMIT = 104_857_600


class Front:
    """Everything behind the host's port."""

    def __init__(
        self,
        http: HttpTrigger,
        admin: AdminApi,
        durable: DurableHttpApi | None,
        *,
        blobs: BlobWebhook | None = None,
        home: Callable[[], str | None],
        cors: CorsPolicy | None,
        body_limit: int = DEFAULT_BODY_LIMIT,
    ) -> None:
        self._http = http
        self._admin = admin
        self._durable = durable
        self._blobs = blobs
        self._home = home
        self._cors = cors
        self._body_limit = body_limit

    def application(self) -> web.Application:
        """One route and no middleware, so that a function call pays for nothing else."""
        application = web.Application(client_max_size=self._body_limit)
        application.router.add_route("*", "/{tail:.*}", self.handle if self._cors is None else self._handle_cors)
        return application

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        head = path[:9].lower()
        if head.startswith(("/admin/", "/runtime/")):
            return await self._built_in(request, path)
        match = self._http.match(request.method, path)
        if match is not None:
            return await self._http.handle(request, match)
        if path == "/" and request.method in ("GET", "HEAD"):
            page = self._home()
            return web.Response(status=204) if page is None else web.Response(text=page, content_type="text/html")
        return web.Response(status=404)

    async def _handle_cors(self, request: web.Request) -> web.StreamResponse:
        assert self._cors is not None
        if self._cors.is_preflight(request.method, request.headers):
            return web.Response(status=204, headers=self._cors.preflight_headers(request.headers))
        response = await self.handle(request)
        if not response.prepared:
            response.headers.update(self._cors.response_headers(request.headers))
        return response

    async def _built_in(self, request: web.Request, path: str) -> web.StreamResponse:
        if not is_local_request(request):
            return web.json_response({"Message": "Only local callers may use the management API."}, status=403)
        if path[: len(WEBHOOK_PATH)].lower() == WEBHOOK_PATH and path[len(WEBHOOK_PATH) :][:1] in ("", "/"):
            if self._durable is None:
                return web.Response(status=404)
            return await self._durable.handle(request, raw_tail(request, WEBHOOK_PATH), "webhook")
        if self._blobs is not None and path.rstrip("/").lower() == BLOBS_PATH:
            return await self._blobs.handle(request)
        if path[:7].lower() == "/admin/":
            return await self._admin.handle(request, [part for part in path[7:].split("/") if part])
        return web.Response(status=404)
