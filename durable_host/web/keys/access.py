"""Who may call what when `--enable-auth` is given.

Source: docs/protocol/functions-host-http.md#access-with-keys
"""

from aiohttp import web

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.web.keys.keyring import KeyRing, Level

HEADER = "x-functions-key"
_LEVELS = {"anonymous": Level.ANONYMOUS, "function": Level.FUNCTION, "admin": Level.ADMIN}


class Access:
    """Compares the key of a request with the keys of the host. Methods raise KeysUnavailable."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def allows(self, request: web.Request, function: FunctionMetadata) -> bool:
        """Whether the caller may run an HTTP function."""
        needed = level_needed(function)
        if needed is Level.ANONYMOUS:
            return True
        key = _key_of(request)
        return key is not None and await self._keys.level_of(key, function.name) >= needed

    async def is_admin(self, request: web.Request) -> bool:
        """Whether the caller has the master key."""
        key = _key_of(request)
        return key is not None and await self._keys.level_of(key, None) is Level.ADMIN

    async def allows_extension(self, request: web.Request, system_key: str) -> bool:
        """Whether the caller has the system key of an extension, or the master key."""
        key = _key_of(request)
        return key is not None and await self._keys.level_of(key, None, system_key) >= Level.SYSTEM


def level_needed(function: FunctionMetadata) -> Level:
    """That of the trigger's `authLevel`; functions that name none need a function key."""
    return _LEVELS.get((function.trigger.text("authLevel") or "function").lower(), Level.FUNCTION)


def _key_of(request: web.Request) -> str | None:
    return request.headers.get(HEADER) or request.query.get("code") or None
