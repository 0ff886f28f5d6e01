"""One Azurite in memory for all processes of a run, on free ports. Each process has an account of its own.

With pytest-xdist the controller starts it, and stops it at the end. Otherwise it starts when a test first needs it, and
so does one for each process if that of the controller does not start: then the tests that need it say why.
"""

from contextlib import ExitStack
from itertools import count

import msgspec
import pytest

from durable_host.config.connection import Connection
from durable_host.config.connections import DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY
from durable_host.storage.azurite import AzuriteError, AzuriteProcess, free_connection, start_azurite

_REPLACEMENTS = 4
"""For each process, pytest-xdist starts at most as many that replace a crashed one."""


def start_shared_azurite(processes: int = 0, attempts: int = 3) -> tuple[Connection, AzuriteProcess]:
    """Start it with an account per process, on other ports if another program has taken the first ones meanwhile."""
    names = [DEVELOPMENT_ACCOUNT, *map(_account, range(processes))]
    connection = free_connection()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AZURITE_ACCOUNTS", ";".join(f"{name}:{DEVELOPMENT_KEY}" for name in names))
            return connection, start_azurite(connection)
    except AzuriteError:
        if attempts == 1:
            raise
        return start_shared_azurite(processes, attempts - 1)


class SharedAzurite:
    """That of the controller."""

    def __init__(self, config: pytest.Config) -> None:
        self._connection: Connection | None = None
        self._processes = (1 + _REPLACEMENTS) * (config.option.numprocesses or 1)
        self._names = map(_account, count())
        self._stop = ExitStack()
        config.add_cleanup(self._stop.close)

    def next_account(self) -> Connection:
        """An account for a process. The first call starts Azurite."""
        if self._connection is None:
            self._connection, process = start_shared_azurite(self._processes)
            self._stop.callback(process.stop)
        return _of_account(self._connection, next(self._names))


def _account(number: int) -> str:
    return f"testaccount{number}"


def _of_account(connection: Connection, name: str) -> Connection:
    endpoints = {
        field: endpoint.replace(DEVELOPMENT_ACCOUNT, name)
        for field, endpoint in msgspec.structs.asdict(connection).items()
        if field.endswith("_endpoint")
    }
    return msgspec.structs.replace(connection, account_name=name, **endpoints)
