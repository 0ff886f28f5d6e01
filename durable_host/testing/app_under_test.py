"""The API of tests, the same for an app in memory and for a real host."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from durable_host.testing.activity_double import ActivityDouble
from durable_host.testing.app_backend import AppBackend
from durable_host.testing.app_keys import AppKeys
from durable_host.testing.argument_values import check_text
from durable_host.testing.container_handle import ContainerHandle
from durable_host.testing.entity_handle import EntityHandle
from durable_host.testing.http_client import HttpClient
from durable_host.testing.instance_handle import InstanceHandle
from durable_host.testing.json_values import as_json
from durable_host.testing.log_entry import LogEntry
from durable_host.testing.output_recorder import OutputRecorder
from durable_host.testing.queue_handle import QueueHandle
from durable_host.testing.settled import Settled
from durable_host.testing.table_handle import TableHandle
from durable_host.testing.time_span import time_span
from durable_host.testing.wait_condition import status_name

__tracebackhide__ = True

_REPORTED = 5


class AppUnderTest(Settled):
    """An app that a test controls, on a backend. Methods block, and their results may be awaited."""

    def __init__(self, backend: AppBackend) -> None:
        self._backend = backend

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the app."""
        self._backend.close()

    def reset(self) -> Self:
        """Begin again: a fresh task hub, storage and time, nothing replaced or recorded. The worker stays."""
        self._backend.reset()
        return self

    @property
    def now(self) -> datetime:
        """The time of the app, in UTC."""
        return self._backend.now

    def advance(self, by: timedelta | None = None, /, **units: float) -> Self:
        """Advance the time by a timedelta, or by `days=3, hours=1`, and run everything that becomes due.

        Raises TypeError for other values and for both together, ValueError if the time would go back.
        """
        self._backend.advance(time_span(by, units))
        return self

    def start(
        self, orchestrator: str, input: Any = None, *, instance_id: str | None = None, version: str | None = None
    ) -> InstanceHandle:
        """Start an orchestration and run it to its first wait.

        Raises UnknownFunction, InvalidArgument, InstanceExists; EndlessWork like every method that lets the app run.
        """
        check_text("orchestrator", orchestrator)
        if instance_id is not None:
            check_text("instance_id", instance_id)
        sent = self._backend.doubles.as_input(input)
        return self.instance(self._backend.start(orchestrator, sent, instance_id, version))

    def instance(self, instance_id: str) -> InstanceHandle:
        """The instance with this ID. It need not exist yet."""
        check_text("instance_id", instance_id)
        return InstanceHandle(self._backend, instance_id)

    def instances(self, *, name: str | None = None, status: Any = None) -> list[InstanceHandle]:
        """The orchestrations of the task hub, oldest first: those of an orchestrator, or with a status.

        Raises UnknownFunction if there are none and the app has no such orchestrator.
        """
        wanted = None if status is None else status_name(status)
        return [self.instance(one.instance_id) for one in self._backend.instances(name, wanted)]

    def report(self) -> str:
        """The latest instances, with their waits and the ends of their histories, as failures show them."""
        return "\n\n".join(instance.report() for instance in self.instances()[-_REPORTED:])

    def entity(self, name: str, key: str) -> EntityHandle:
        """The entity with this name and key. It need not exist yet, but its function: see UnknownFunction."""
        check_text("name", name)
        check_text("key", key)
        return EntityHandle(self._backend, name, key)

    @property
    def client(self) -> HttpClient:
        """Sends requests to the HTTP functions of the app, and to its management API."""
        return self._backend.http

    def require_keys(self) -> AppKeys:
        """Ask callers of HTTP functions and of the management API for keys until the next reset.

        The keys are those of a host that `func start --enable-auth` starts; without this call, nobody needs one.
        """
        return self._backend.require_keys()

    def activity(self, name: str) -> ActivityDouble:
        """The double of an activity: it records the calls, and replaces the function if the test says so.

        Raises LookupError if the app has no such activity.
        """
        return self._backend.doubles.activity(name)

    def output(self, function: str, binding: str | None = None) -> OutputRecorder:
        """The recorder of an output binding of a function: what was written, and what happens to it.

        `binding` is the parameter's name or `$return`; it may be left out if the function has only one output. Raises
        LookupError if the app has no such output.
        """
        return self._backend.doubles.output(function, binding)

    def call(self, function: str, data: Any = "") -> Any:
        """Run a function that is not a durable one once, as `func run` does, and return its result.

        `data` is its input, such as a body or a message; values other than text become JSON. An HTTP function's
        response is `{"status": 200, "body": "text"}`. Raises LookupError, and FunctionFailed if the function fails.
        """
        return self._backend.call(function, data if isinstance(data, str) else as_json(data))

    def replay(self, history: str | Path | list[dict[str, Any]]) -> Self:
        """Replay a saved history with the app's current orchestrator. Nothing else runs, and nothing is changed.

        `history` is a file written by `func durable export` or `instance.history.save`, or its parsed content. Raises
        ReplayFailed if an instance with this history would not survive with the current code.
        """
        document = history if isinstance(history, list) else json.loads(Path(history).read_text("utf-8-sig"))
        self._backend.replay(document)
        return self

    def queue(self, name: str, *, connection: str | None = None) -> QueueHandle:
        """A queue. `connection` is the name of the app setting of its account (default: `AzureWebJobsStorage`)."""
        return QueueHandle(self._backend, name, connection)

    def container(self, name: str, *, connection: str | None = None) -> ContainerHandle:
        """A blob container; `connection` as for `queue`."""
        return ContainerHandle(self._backend, name, connection)

    def table(self, name: str, *, connection: str | None = None) -> TableHandle:
        """A table; `connection` as for `queue`."""
        return TableHandle(self._backend, name, connection)

    @property
    def connection_string(self) -> str:
        """The app's storage account (`AzureWebJobsStorage`), for clients of the storage SDKs in tests."""
        return self._backend.connection_string

    @property
    def logs(self) -> list[LogEntry]:
        """The lines of the host and of the functions since the last reset."""
        return self._backend.logs


def failure_report(app: AppUnderTest) -> str:
    """`report()` of a test that has failed, perhaps because a function does not end."""
    with app._backend.at_once():  # pyright: ignore[reportPrivateUsage]
        return app.report()


def rest(app: AppUnderTest) -> None:
    """A test is over: keep no log lines until the next one resets the app."""
    app._backend.rest()  # pyright: ignore[reportPrivateUsage]
