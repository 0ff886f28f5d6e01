"""All keys of a host: created on first use, and stored in a repository.

Source: docs/protocol/functions-host-http.md#access-with-keys, docs/protocol/functions-host.md#key-documents
"""

import asyncio
import hmac
import time
from enum import Enum

import msgspec

from durable_host.web.keys.records import (
    DEFAULT,
    HostKeys,
    InvalidKeys,
    function_document,
    host_document,
    new_host_keys,
    new_key,
    read_function,
    read_host,
)
from durable_host.web.keys.repository import HOST, KeyRepository, KeysUnavailable

READ_AGAIN_AFTER = 1.0


class Level(Enum):
    """Access levels. `ADMIN` includes the others, which do not include each other."""

    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    USER = "user"
    """No key has this level."""
    SYSTEM = "system"
    ADMIN = "admin"


class Grant(msgspec.Struct, frozen=True):
    """The access that a key gives. `ANONYMOUS` means none. `system_key` is the name of a system key."""

    level: Level
    system_key: str = ""


_NOTHING = Grant(Level.ANONYMOUS)


class KeyRing:
    """The keys of a host, cached in memory. All methods raise KeysUnavailable."""

    def __init__(self, repository: KeyRepository, instance_id: str) -> None:
        self._repository = repository
        self._instance_id = instance_id
        self._lock = asyncio.Lock()
        self._host: HostKeys | None = None
        self._functions: dict[str, dict[str, str]] = {}
        self._read_at = -READ_AGAIN_AFTER

    async def host(self) -> HostKeys:
        async with self._lock:
            return await self._load_host()

    async def function(self, name: str) -> dict[str, str]:
        """The keys of one function, by name."""
        async with self._lock:
            return await self._load_function(name.lower())

    async def system_key(self, name: str) -> str:
        """The key of an extension."""
        async with self._lock:
            keys = await self._load_host()
            if name not in keys.system_keys:
                keys = await self._save_host(
                    msgspec.structs.replace(keys, system_keys={**keys.system_keys, name: new_key()})
                )
            return keys.system_keys[name]

    async def grant_of(self, key: str, function: str | None) -> Grant:
        """The access that `key` gives. Function keys count only for the given `function`."""
        grant = await self._grant(key, function)
        if grant is _NOTHING and time.monotonic() - self._read_at > READ_AGAIN_AFTER:
            async with self._lock:
                self._host = None
                self._functions.clear()
            grant = await self._grant(key, function)
        return grant

    async def put_host(self, keys: HostKeys) -> None:
        async with self._lock:
            await self._save_host(keys)

    async def put_function(self, name: str, keys: dict[str, str]) -> None:
        async with self._lock:
            await self._repository.write(name.lower(), function_document(keys, self._instance_id))
            self._functions[name.lower()] = keys

    async def _grant(self, key: str, function: str | None) -> Grant:
        keys = await self.host()
        if _same(key, keys.master):
            return Grant(Level.ADMIN)
        for name, value in keys.system_keys.items():
            if _same(key, value):
                return Grant(Level.SYSTEM, name)
        values = list(keys.function_keys.values())
        if function is not None:
            values += (await self.function(function)).values()
        return Grant(Level.FUNCTION) if any(_same(key, value) for value in values) else _NOTHING

    async def _load_host(self) -> HostKeys:
        if self._host is None:
            document = await self._repository.read(HOST)
            self._read_at = time.monotonic()
            try:
                self._host = await self._save_host(new_host_keys()) if document is None else read_host(document)
            except InvalidKeys as error:
                raise KeysUnavailable(f"The keys of the host cannot be used: {error}.") from error
        return self._host

    async def _save_host(self, keys: HostKeys) -> HostKeys:
        await self._repository.write(HOST, host_document(keys, self._instance_id))
        self._host = keys
        return keys

    async def _load_function(self, name: str) -> dict[str, str]:
        if name not in self._functions:
            document = await self._repository.read(name)
            if document is None:
                keys = {DEFAULT: new_key()}
                await self._repository.write(name, function_document(keys, self._instance_id))
            else:
                try:
                    keys = read_function(document)
                except InvalidKeys as error:
                    raise KeysUnavailable(f"The keys of the function '{name}' cannot be used: {error}.") from error
            self._functions[name] = keys
        return self._functions[name]


def _same(given: str, key: str) -> bool:
    return bool(key) and hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())
