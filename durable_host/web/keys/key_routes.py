"""Admin routes for keys.

Source: docs/protocol/functions-host-admin.md#key-endpoints
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from aiohttp import web

from durable_host.http_port import read_body
from durable_host.web.base_url import links, own_url
from durable_host.web.keys.keyring import KeyRing
from durable_host.web.keys.records import MASTER, HostKeys, new_key
from durable_host.web.keys.repository import KeysUnavailable

HOST_LISTS = frozenset({"keys", "functionkeys", "systemkeys"})
KEY_METHODS = frozenset({"GET", "PUT", "POST", "DELETE"})
"""The methods for a single key; a list of keys is read-only."""


Save = Callable[[dict[str, str]], Awaitable[None]]
Answer = Callable[[web.Request, str, str | None], Awaitable[web.Response]]


class _KeyBody(msgspec.Struct):
    name: str | None = None
    value: str | None = None


class KeyRoutes:
    """Handles `…/keys` and `…/keys/{key}`, for the host and for functions."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._lock = asyncio.Lock()

    async def of_host(self, request: web.Request, kind: str, name: str | None) -> web.Response:
        """Handle a request for keys of the host. `kind` is the list of keys: one of HOST_LISTS, in lower case."""
        return await self._safely(self._of_host, request, kind, name)

    async def of_function(self, request: web.Request, function: str, name: str | None) -> web.Response:
        return await self._safely(self._of_function, request, function, name)

    async def _safely(self, answer: Answer, request: web.Request, owner: str, name: str | None) -> web.Response:
        try:
            async with self._lock:
                return await answer(request, owner, name)
        except KeysUnavailable as error:
            return web.json_response({"Message": f"{error} {error.cause or ''}".rstrip()}, status=503)

    async def _of_host(self, request: web.Request, kind: str, name: str | None) -> web.Response:
        keys = await self._keys.host()
        known = keys.system_keys if kind == "systemkeys" else keys.function_keys
        if name is None:
            return self._listed(request, known)
        if name.lower() == MASTER and (kind == "systemkeys" or request.method != "GET"):
            return await self._master(request, keys)

        async def save(changed: dict[str, str]) -> None:
            field = "system_keys" if kind == "systemkeys" else "function_keys"
            await self._keys.put_host(msgspec.structs.replace(keys, **{field: changed}))

        return await self._one(request, name, known, save)

    async def _of_function(self, request: web.Request, function: str, name: str | None) -> web.Response:
        known = await self._keys.function(function)
        if name is None:
            return self._listed(request, known)

        async def save(changed: dict[str, str]) -> None:
            await self._keys.put_function(function, changed)

        return await self._one(request, name, known, save)

    async def _master(self, request: web.Request, keys: HostKeys) -> web.Response:
        if request.method == "DELETE":
            return web.json_response({"Message": "The master key cannot be deleted."}, status=400)
        if request.method != "GET":
            value = await _given_value(request)
            if isinstance(value, web.Response):
                return value
            keys = msgspec.structs.replace(keys, master=value)
            await self._keys.put_host(keys)
        return self._shown(request, MASTER, keys.master)

    async def _one(self, request: web.Request, name: str, known: Mapping[str, str], save: Save) -> web.Response:
        if request.method == "GET":
            return self._shown(request, name, known[name]) if name in known else web.Response(status=404)
        if request.method == "DELETE":
            if name not in known:
                return web.Response(status=404)
            await save({other: value for other, value in known.items() if other != name})
            return web.Response(status=204)
        value = await _given_value(request)
        if isinstance(value, web.Response):
            return value
        await save({**known, name: value})
        if name in known:
            return self._shown(request, name, value)
        return self._shown(request, name, value, status=201, headers={"Location": own_url(request)})

    def _listed(self, request: web.Request, keys: Mapping[str, str]) -> web.Response:
        entries = [{"name": name, "value": value} for name, value in keys.items()]
        return web.json_response({"keys": entries, "links": links(request)})

    def _shown(
        self,
        request: web.Request,
        name: str,
        value: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        content = {"name": name, "value": value, "links": links(request)}
        return web.json_response(content, status=status, headers=headers)


async def _given_value(request: web.Request) -> str | web.Response:
    """The value to set: a new key for POST, the value in the body for PUT; or an error response."""
    if request.method == "POST":
        return new_key()
    try:
        body = msgspec.json.decode(await read_body(request), type=_KeyBody)
    except (ValueError, RecursionError):
        body = _KeyBody()
    return body.value or web.Response(status=400, text="Invalid key value")
