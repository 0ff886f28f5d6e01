"""Settings of hosts whose worker is the scripted one."""

from collections.abc import Callable

from host_process import HostProcess, hub_settings

StartScriptedHost = Callable[..., HostProcess]
"""The fixture `start_scripted_host`."""


def dotnet_settings(connection_string: str) -> dict[str, str]:
    """Settings of a .NET isolated app on the session's storage, with a task hub of its own."""
    return {**hub_settings(connection_string), "FUNCTIONS_WORKER_RUNTIME": "dotnet-isolated"}
