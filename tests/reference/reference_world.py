"""An app of the real SDK, the runtime that runs it over an embedded hub, and its management API."""

import contextlib
from typing import Any, Self

import aiohttp
from api_world import HUB, MAX_BODY, ServedApi, served
from runtime_world import App, Hosts, World, runtime_options

from durable_host.durable.api.http import DurableHttpApi
from durable_host.web.local_only import is_local_request


class DurableApp(ServedApi):
    """Functions are added to `code`; then `start` runs them and serves the API."""

    world: World
    http: aiohttp.ClientSession

    def __init__(self, code: App, hosts: Hosts) -> None:
        self.code = code
        self._hosts = hosts
        self._closing = contextlib.AsyncExitStack()

    async def start(self, **changes: Any) -> None:
        options = runtime_options(hub_name=HUB, **changes)
        self.world = await self._hosts.start(self.code, options=options)
        api = DurableHttpApi(self.world.client, options, admit=is_local_request, max_body=MAX_BODY)
        self.http, self.origin = await self._closing.enter_async_context(served(api))

    async def output(self, orchestrator: str, instance_id: str, input: Any = None) -> str:
        """The output, as stored, of an orchestration that the SDK starts."""
        await self.sdk().start_new(orchestrator, instance_id, input)
        return (await self.world.result(instance_id)).output or "null"

    async def get(self, path: str, status: int = 200) -> Any:
        """The JSON of an answer of the webhook."""
        async with self.http.get(f"{self.webhook}/{path}") as answer:
            assert answer.status == status
            return await answer.json(content_type=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()
