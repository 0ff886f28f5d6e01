"""Requests to a storage account, some of which fail."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from durable_host.chaos.fault import ANSWER_LOST, TIMEOUT
from durable_host.chaos.injector import Injector
from durable_host.chaos.message_words import InstanceNames
from durable_host.chaos.request_words import RequestNames
from durable_host.storage.transport import RequestSession


class FaultySession:
    """The session of an account in which requests are refused, time out, or lose their answers.

    The host repeats refused requests and those whose answers were lost, like all clients of Azure Storage.
    """

    def __init__(self, session: RequestSession, injector: Injector, names: InstanceNames) -> None:
        self._session = session
        self._injector = injector
        self._names = RequestNames(names)

    def get(self) -> "FaultySession":
        return self

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def request(self, method: str, url: URL, *, data: Any = None, **options: Any) -> AsyncGenerator[Any]:
        """Send a request, or raise the error of aiohttp for a fault."""
        target, instance_id = self._names.words_for(method, url, data)
        fault = self._injector.happens("storage-errors", target, instance_id=instance_id)
        if fault is not None and fault.variant == TIMEOUT:
            raise TimeoutError
        if fault is not None and fault.variant != ANSWER_LOST:
            yield _Refusal()
            return
        async with self._session.get().request(method, url, data=data, **options) as response:
            if fault is not None:
                await response.read()
                raise aiohttp.ServerDisconnectedError
            if method in ("GET", "POST") and url.path.endswith("/messages"):
                self._names.learn(await response.read(), instance_id)  # aiohttp keeps it for the next reader.
            yield response


class _Refusal:
    """The response of a busy storage service."""

    status = 503
    headers = CIMultiDictProxy(CIMultiDict({"x-ms-error-code": "ServerBusy"}))

    async def read(self) -> bytes:
        return b""
