"""The keys of an app, for tests that call it like external clients."""

from collections.abc import Callable, Mapping

from durable_host.web.keys.records import DEFAULT, HostKeys

__tracebackhide__ = True


class AppKeys:
    """The keys that callers of the app need. Send one in the header `x-functions-key`, or in the query: `?code=KEY`."""

    def __init__(self, host: Callable[[], HostKeys], function: Callable[[str], Mapping[str, str]]) -> None:
        self._host = host
        self._function = function

    @property
    def master(self) -> str:
        """The key for everything: all functions, webhooks and admin routes."""
        return self._host().master

    @property
    def default(self) -> str:
        """The key for all functions of the level `function`."""
        return self._host().function_keys[DEFAULT]

    def function(self, name: str) -> str:
        """The key for one function."""
        return self._function(name)[DEFAULT]
