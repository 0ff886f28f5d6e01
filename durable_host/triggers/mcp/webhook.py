"""The webhook of the MCP server: `/runtime/webhooks/mcp`, and `/sse` and `/message` below it."""

from aiohttp import web

from durable_host.config.extensions import McpOptions
from durable_host.invocation.invoker import Invoker
from durable_host.triggers.mcp import jsonrpc, versions
from durable_host.triggers.mcp.catalog import McpCatalog
from durable_host.triggers.mcp.dialogue import log
from durable_host.triggers.mcp.exchange import Refused, refused
from durable_host.triggers.mcp.http_sse import HttpSse
from durable_host.triggers.mcp.mcp_sessions import Sessions
from durable_host.triggers.mcp.server import McpServer
from durable_host.triggers.mcp.stateless_http import VERSION_HEADER, StatelessHttp, unsupported
from durable_host.triggers.mcp.streamable_http import StreamableHttp
from durable_host.triggers.mcp.subscriptions import CHANGES, Subscriptions

WEBHOOK_PATH = "/runtime/webhooks/mcp"


class McpWebhook:
    """Serves the app's MCP functions. Sessions survive a reload, which calls `adopt` with a new catalog."""

    def __init__(self, invoker: Invoker, sessions: Sessions | None = None) -> None:
        self._server = McpServer(invoker)
        self._sessions = sessions or Sessions()
        self._subscriptions = Subscriptions()
        self._streamable = StreamableHttp(self._server, self._sessions)
        self._stateless = StatelessHttp(self._server, self._subscriptions)
        self._sse = HttpSse(self._server, self._sessions)

    @property
    def is_anonymous(self) -> bool:
        """Whether callers need no key, even with `--enable-auth`."""
        return self._server.options.is_anonymous

    def adopt(self, catalog: McpCatalog, options: McpOptions, *, explain: bool) -> None:
        """Serve this catalog from now on, and notify listening clients of the changes."""
        changed = _changes(self._server.catalog, catalog)
        self._server.catalog, self._server.options, self._server.calls.explain = catalog, options, explain
        for session in self._sessions:
            session.notify(changed)
        self._subscriptions.notify(changed)

    async def handle(self, request: web.Request, tail: str) -> web.StreamResponse:
        """Handle a request. `tail` is the path after WEBHOOK_PATH."""
        part = tail.strip("/").lower()
        try:
            if part == "sse":
                return await self._sse.events(request)
            if part == "message":
                return await self._sse.message(request)
            if part:
                raise refused(404, "There is nothing at this address.")
            version = request.headers.get(VERSION_HEADER)
            if version in versions.STATELESS:
                return await self._stateless.handle(request)
            if version is not None and version not in versions.HANDSHAKE:
                raise unsupported(version)
            return await self._streamable.handle(request)
        except Refused as refusal:
            return refusal.response()
        except Exception:
            log.exception("A request of an MCP client could not be handled")
            return refused(200, "Internal error", jsonrpc.INTERNAL_ERROR).response()

    async def drain(self, grace: float) -> None:
        """Wait at most `grace` seconds for running calls, then end all sessions and streams."""
        await self._server.calls.drain(grace)
        for session in self._sessions:
            self._sessions.end(session.id)
        self._subscriptions.close()


def _changes(old: McpCatalog, new: McpCatalog) -> list[str]:
    """The notifications about the differences."""
    kinds = {
        "toolsListChanged": ("tools",),
        "resourcesListChanged": ("resources", "templates"),
        "promptsListChanged": ("prompts",),
    }
    return [
        CHANGES[name]
        for name, parts in kinds.items()
        if any(old.listings(part) != new.listings(part) for part in parts)
    ]
