"""Requests to a storage account, some of which fail."""

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from durable_host.chaos.fault import ANSWER_LOST, TIMEOUT
from durable_host.chaos.injector import Injector
from durable_host.storage.transport import RequestSession

_INSTANCE = re.compile(rb"""(?:InstanceId(?:"|&quot;):(?:"|&quot;)|"PartitionKey":"|PartitionKey=')([^"&'\\]+)""")
_SEARCHED = 64 * 1024


class FaultySession:
    """The session of an account in which requests are refused, time out, or lose their answers.

    The host repeats refused requests and those whose answers were lost, like all clients of Azure Storage.
    """

    def __init__(self, session: RequestSession, injector: Injector) -> None:
        self._session = session
        self._injector = injector

    def get(self) -> "FaultySession":
        return self

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def request(self, method: str, url: URL, *, data: Any = None, **options: Any) -> AsyncGenerator[Any]:
        """Send a request, or raise the error of aiohttp for a fault."""
        instance_id = _instance_in(url, data)
        owner = f" (instance '{instance_id}')" if instance_id else ""
        # The first segment of the path is the name of the account.
        target = f"request {method} {url.path.strip('/').partition('/')[2]}{owner}"
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
            yield response


class _Refusal:
    """The response of a busy storage service."""

    status = 503
    headers = CIMultiDictProxy(CIMultiDict({"x-ms-error-code": "ServerBusy"}))

    async def read(self) -> bytes:
        return b""


def _instance_in(url: URL, data: Any) -> str:
    """The ID of the first instance that a request names, or an empty text."""
    found = _INSTANCE.search(url.path.encode())
    if found is None and isinstance(data, bytes):
        found = _INSTANCE.search(data, 0, _SEARCHED)
    return found[1].decode("utf-8", "replace") if found else ""
