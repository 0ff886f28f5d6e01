"""Access control for `--enable-auth`.

Source: docs/protocol/functions-host-http.md#access-with-keys
"""

from enum import Enum

from aiohttp import web

from durable_host.invocation.metadata import FunctionMetadata
from durable_host.web.keys.keyring import Grant, KeyRing, Level

HEADER = "x-functions-key"
_LEVELS = {level.value: level for level in Level}


class Verdict(Enum):
    """The decision on a request to a built-in route."""

    ALLOWED = "allowed"
    UNKNOWN = "unknown"
    """The request has no key, or one that does not exist."""
    FORBIDDEN = "forbidden"
    """The key exists but does not give access."""


class Access:
    """Compares the key of a request with the keys of the host. Methods raise KeysUnavailable."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def allows(self, request: web.Request, function: FunctionMetadata) -> bool:
        """Whether the caller may run an HTTP function."""
        needed = level_needed(function)
        if needed is Level.ANONYMOUS:
            return True
        return (await self._grant(request, function.name)).level in (needed, Level.ADMIN)

    async def is_admin(self, request: web.Request) -> bool:
        """Whether the caller has the master key."""
        return await self.admin(request) is Verdict.ALLOWED

    async def admin(self, request: web.Request) -> Verdict:
        """Whether the request may use routes that need the master key."""
        grant = await self._grant(request, None)
        return _verdict(grant, grant.level is Level.ADMIN)

    async def extension(self, request: web.Request, system_key: str) -> Verdict:
        """Whether the request may use the webhook of an extension, with its system key or the master key."""
        grant = await self._grant(request, None)
        return _verdict(grant, grant.level is Level.ADMIN or grant.system_key == system_key)

    async def any_key(self, request: web.Request) -> Verdict:
        """Whether the request has any key of the host."""
        return _verdict(await self._grant(request, None), True)

    async def _grant(self, request: web.Request, function: str | None) -> Grant:
        key = _key_of(request)
        return Grant(Level.ANONYMOUS) if key is None else await self._keys.grant_of(key, function)


def level_needed(function: FunctionMetadata) -> Level:
    """The level in the trigger's `authLevel`. Functions without one need a function key."""
    return _LEVELS.get((function.trigger.text("authLevel") or "function").lower(), Level.FUNCTION)


def _verdict(grant: Grant, is_allowed: bool) -> Verdict:
    if grant.level is Level.ANONYMOUS:
        return Verdict.UNKNOWN
    return Verdict.ALLOWED if is_allowed else Verdict.FORBIDDEN


def _key_of(request: web.Request) -> str | None:
    """The key in the header, otherwise in the query (ignoring the case of its name), or None."""
    codes = (value for name, value in request.query.items() if name.lower() == "code")
    return request.headers.get(HEADER) or next(codes, None) or None
