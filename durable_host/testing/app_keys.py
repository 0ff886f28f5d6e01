"""The keys of an app in memory, for tests that call it as a stranger would."""

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from durable_host.web.keys import KeyRing
from durable_host.web.keys.records import DEFAULT, HostKeys


class RunsInLoop(Protocol):
    def __call__(self, work: Coroutine[Any, Any, Any], /) -> Any: ...


class AppKeys:
    """The keys that callers of the app need. Send one in the header `x-functions-key`, or in the query: `?code=KEY`."""

    def __init__(self, ring: KeyRing, run: RunsInLoop) -> None:
        self._ring = ring
        self._run = run

    @property
    def master(self) -> str:
        """The key for everything: all functions, webhooks and admin routes."""
        return self._host.master

    @property
    def default(self) -> str:
        """The key for all functions of the level `function`."""
        return self._host.function_keys[DEFAULT]

    def function(self, name: str) -> str:
        """The key for one function."""
        keys: Mapping[str, str] = self._run(self._ring.function(name))
        return keys[DEFAULT]

    @property
    def _host(self) -> HostKeys:
        return self._run(self._ring.host())
