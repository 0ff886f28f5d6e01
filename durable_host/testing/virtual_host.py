"""Tests orchestrations in virtual time: three days of waiting pass in milliseconds.

    from durable_host.testing import VirtualHost

    def test_a_request_expires_after_three_days():
        with VirtualHost("path/of/the/app") as host:
            instance_id = host.start("BudgetApproval", {"amount": 100})
            host.advance(days=3)
            assert host.status(instance_id).output == {"status": "expired"}

The app runs in a worker process on its own interpreter, as with `func start`, and its functions are the real ones. The
task hub is in memory, and time is virtual: nothing is stored, and timers fire when the test advances time. Bindings
that read or write storage use the accounts in the app's settings. `FunctionApp` has them in memory too, and more.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from durable_host.durable.api.errors import InstanceNotFound
from durable_host.durable.taskhub.azure.history_json import write_history
from durable_host.testing.instance_record import Instance, StillRunning
from durable_host.testing.json_values import as_json, value_of
from durable_host.testing.let_time_pass import may_continue_by_itself
from durable_host.testing.memory_backend import MemoryBackend
from durable_host.testing.time_span import time_span
from durable_host.testing.wait_condition import TERMINAL

__tracebackhide__ = True

_START = datetime(2024, 1, 1, tzinfo=UTC)


class VirtualHost:
    """Runs one app in virtual time. Use it as a context manager. Values are converted to and from JSON.

    `root` is the app's folder or one below it. `settings` take precedence over the environment and local.settings.json,
    `python` over the app's virtual environment. Time begins at `start`. Entering the context raises HostError if the
    app does not load. Methods raise the client errors of `durable_host.durable.api.errors`, such as InstanceNotFound.
    """

    def __init__(
        self,
        root: str | Path = ".",
        *,
        settings: Mapping[str, str] | None = None,
        python: str | Path | None = None,
        start: datetime = _START,
    ) -> None:
        self._root = Path(root).resolve()
        self._settings = dict(settings or {})
        self._python = Path(python).absolute() if python is not None else None
        self._begin = start
        self._backend: MemoryBackend | None = None

    def __enter__(self) -> Self:
        self._backend = MemoryBackend(self._root, self._settings, self._python, self._begin, keeps_accounts=True)
        return self

    def __exit__(self, *_: object) -> None:
        backend, self._backend = self._running, None
        backend.close()

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return self._running.now

    def advance(self, by: timedelta | None = None, /, **units: float) -> None:
        """Advance the time by a timedelta, or by `days=3, hours=1`, and run everything that becomes due.

        Raises TypeError for other values and for both together, ValueError if the time would go back.
        """
        self._running.advance(time_span(by, units))

    def start(self, orchestrator: str, input: Any = None, *, instance_id: str | None = None) -> str:
        """Start an orchestration, run it to its first wait, and return its instance ID.

        Raises UnknownFunction, InvalidArgument, InstanceExists; EndlessWork like every method that lets the app run.
        """
        return self._running.start(orchestrator, input, instance_id, None)

    def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Send an event, like a JSON body posted to `sendEventPostUri`, and run everything that follows."""
        self._running.raise_event(instance_id, name, data)

    def terminate(self, instance_id: str, reason: str | None = None) -> None:
        self._running.terminate(instance_id, reason)

    def suspend(self, instance_id: str, reason: str | None = None) -> None:
        self._running.suspend(instance_id, reason)

    def resume(self, instance_id: str, reason: str | None = None) -> None:
        self._running.resume(instance_id, reason)

    def status(self, instance_id: str) -> Instance:
        """Raises InstanceNotFound."""
        found = self._running.instance(instance_id)
        if found is None:
            raise InstanceNotFound(instance_id)
        return found

    def wait(self, instance_id: str, *, limit: timedelta = timedelta(days=366)) -> Instance:
        """Jump from one due time to the next until the instance has ended, and return it.

        Raises StillRunning if nothing else is due (only an event could continue it), if other functions have run many
        times without continuing it, and after `limit` of virtual time.
        """
        running = self._running
        end = running.now + limit
        steps = 0
        while True:
            running.settle()
            one = self.status(instance_id)
            if one.status in TERMINAL:
                return one
            steps += 1
            is_hopeless = steps % running.looks_after == 0 and not may_continue_by_itself(running, instance_id)
            if is_hopeless or running.pass_time(end) is not None:
                is_over = running.app.clock.next_due is not None and not is_hopeless
                why = f"{limit} of virtual time have passed" if is_over else "nothing else is due"
                status = as_json(one.custom_status) if one.custom_status is not None else "none"
                raise StillRunning(f"'{one.name}' ({instance_id}) is {one.status}, and {why}. Custom status: {status}.")

    def signal_entity(self, entity: str, key: str, operation: str, input: Any = None) -> None:
        """Send an operation to an entity, and run everything that follows."""
        self._running.signal_entity(entity, key, operation, input)

    def entity_state(self, entity: str, key: str) -> Any:
        """The state of an entity; None if it does not exist."""
        return value_of(self._running.entity_state(entity, key))

    def replay(self, history: str | Path | list[dict[str, Any]]) -> None:
        """Replay a saved history with the app's current orchestrator. Nothing else runs, and nothing is changed.

        `history` is a file written by `func durable get-history --as-stored`, or its parsed content. Raises
        ReplayFailed if an instance with this history would not survive with the current code.
        """
        document = history if isinstance(history, list) else json.loads(Path(history).read_text("utf-8-sig"))
        self._running.replay(document)

    def history(self, instance_id: str) -> list[dict[str, Any]]:
        """The history of an instance, in the form that `replay` accepts."""
        running = self._running
        return write_history(running.run(running.app.client.history(instance_id)))

    def run(self, function: str, content: Any = "") -> Any:
        """Run another function (HTTP, queue, timer, activity …) once, and return its result.

        `content` is its input, such as a body or a message; values other than text become JSON. An HTTP function's
        response is `{"status": 200, "body": "text"}`. Raises FunctionFailed if the function fails.
        """
        return self._running.call(function, content if isinstance(content, str) else as_json(content))

    @property
    def _running(self) -> MemoryBackend:
        if self._backend is None:
            raise RuntimeError("Use the VirtualHost in a with statement.")
        return self._backend
