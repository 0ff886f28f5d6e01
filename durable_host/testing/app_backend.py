"""The port below the test API: an app in memory and virtual time, or a real host with real time."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import msgspec

from durable_host.dashboard.views.ledger import LedgerEvent
from durable_host.dashboard.views.waits import OpenWait
from durable_host.durable.model.events import HistoryEvent
from durable_host.storage.account import StorageAccount
from durable_host.testing.app_keys import AppKeys
from durable_host.testing.doubles import Doubles
from durable_host.testing.http_client import HttpClient
from durable_host.testing.instance_record import Instance
from durable_host.testing.log_entry import LogEntry

T = TypeVar("T")


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    """What the history of the current execution of an instance shows, together with the app's code.

    `waits_are_known` is false if waits for events are missing, because the code could not be replayed. `children` are
    instance IDs, in the order of the calls. `encodes_inputs_twice`: see `json_values`.
    """

    events: Sequence[HistoryEvent]
    waits: Sequence[OpenWait]
    waits_are_known: bool
    ledger: Sequence[LedgerEvent]
    children: Sequence[str]
    encodes_inputs_twice: bool


class AppBackend(Protocol):
    """Runs one app for one test at a time. Methods block, from any thread but that of the backend.

    Values are converted to and from JSON. Methods that change something return when everything that follows at the
    current time has happened, as far as the backend can know that. Errors of the client are those of
    `durable_host.durable.api.errors`.
    """

    @property
    def now(self) -> datetime: ...

    @property
    def longest_wait(self) -> timedelta:
        """The default limit of waits."""
        ...

    @property
    def looks_after(self) -> int:
        """After so many steps of time, it is checked whether time alone can continue an instance."""
        ...

    def at_once(self) -> AbstractContextManager[None]:
        """In this block, what reads the app does not wait without end for functions that run; it may fail instead."""
        ...

    def rest(self) -> None:
        """A test is over: keep no log lines until the next one resets the app."""
        ...

    def advance(self, by: timedelta) -> None:
        """Advance the time and run everything that becomes due."""
        ...

    def settle(self) -> None:
        """Return when nothing is left to do at the current time."""
        ...

    def pass_time(self, end: datetime) -> str | None:
        """Let the time pass until something may have changed. Returns the reason if nothing can change until `end`."""
        ...

    def start(self, orchestrator: str, input: Any, instance_id: str | None, version: str | None) -> str:
        """Start an orchestration and return its ID. Raises UnknownFunction, InvalidArgument, InstanceExists."""
        ...

    def instance(self, instance_id: str) -> Instance | None: ...

    def instances(self, name: str | None, status: str | None) -> list[Instance]:
        """The orchestrations, oldest first."""
        ...

    def view(self, instance_id: str) -> InstanceView:
        """Raises InstanceNotFound."""
        ...

    def raise_event(self, instance_id: str, name: str, data: Any) -> None: ...

    def terminate(self, instance_id: str, reason: str | None) -> None: ...

    def suspend(self, instance_id: str, reason: str | None) -> None: ...

    def resume(self, instance_id: str, reason: str | None) -> None: ...

    def rewind(self, instance_id: str, reason: str | None) -> None: ...

    def restart(self, instance_id: str, new_id: str | None) -> str: ...

    def purge(self, instance_id: str) -> bool: ...

    def signal_entity(self, name: str, key: str, operation: str, input: Any) -> None: ...

    def entity_state(self, name: str, key: str) -> str | None:
        """The state as JSON text; None if the entity does not exist."""
        ...

    def call(self, function: str, content: str) -> Any:
        """Run a function that is not a durable one. Raises LookupError, FunctionFailed."""
        ...

    @property
    def http(self) -> HttpClient:
        """Sends requests to the app's HTTP endpoints."""
        ...

    def require_keys(self) -> AppKeys:
        """Ask callers for keys until the next reset."""
        ...

    @property
    def doubles(self) -> Doubles:
        """What is replaced and recorded since the last reset."""
        ...

    def replay(self, history: list[dict[str, Any]]) -> None:
        """Replay a history of `func durable get-history --as-stored`. Raises ReplayFailed."""
        ...

    @property
    def connection_string(self) -> str:
        """The storage account of `AzureWebJobsStorage`, for clients of the storage SDKs."""
        ...

    @property
    def message_encoding(self) -> str:
        """How host.json says that texts of queue messages are encoded: as "base64" or "none"."""
        ...

    def use_storage(self, work: Callable[[StorageAccount], Awaitable[T]], connection: str | None) -> T:
        """Do something with the account of a connection setting (None: `AzureWebJobsStorage`), and what follows.

        Raises ConnectionMissing, ConnectionInvalid and StorageError.
        """
        ...

    def visible_messages(self, queue: str, connection: str | None) -> list[str]:
        """The encoded texts of the messages that could be received now; empty if the queue does not exist."""
        ...

    @property
    def logs(self) -> list[LogEntry]: ...

    def reset(self) -> None:
        """Begin again: a fresh task hub, storage and time, nothing replaced or recorded."""
        ...

    def close(self) -> None: ...
