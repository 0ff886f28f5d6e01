"""Tests orchestrations in virtual time: three days of waiting pass in milliseconds.

    from durable_host.testing import VirtualHost

    def test_a_request_expires_after_three_days():
        with VirtualHost("path/of/the/app") as host:
            instance_id = host.start("BudgetApproval", {"amount": 100})
            host.advance(days=3)
            assert host.status(instance_id).output == {"status": "expired"}

The app runs in a worker process on its own interpreter, as with `func start`, and its functions are the real ones. The
task hub is in memory, and time is virtual: nothing is stored, there are no listeners and no ports, and timers and
retries of triggers fire when the test advances time. Bindings that read or write storage still need it.
"""

import json
import os
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from durable_host import timestamp
from durable_host.durable.api.errors import InstanceNotFound
from durable_host.durable.model.status import TERMINAL_STATUSES
from durable_host.durable.taskhub.azure.history_json import write_history
from durable_host.testing.app_in_memory import AppInMemory
from durable_host.testing.indexed_app import IndexedApp
from durable_host.testing.instance_record import Instance, StillRunning, instance_of
from durable_host.testing.json_values import as_json, sent_text, value_of
from durable_host.testing.loop_thread import LoopThread
from durable_host.web.manual_invocation import plain_value

T = TypeVar("T")

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
        self._thread: LoopThread | None = None
        self._indexed: IndexedApp | None = None
        self._app: AppInMemory | None = None

    def __enter__(self) -> Self:
        self._thread = LoopThread("virtual host")
        try:
            environ = {**os.environ, **self._settings}
            self._indexed = self._run(IndexedApp.load(self._root, environ, python=self._python))
            self._app = self._run(AppInMemory.start(self._indexed, self._begin))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        assert self._thread is not None
        app, self._app = self._app, None
        loaded, self._indexed = self._indexed, None
        try:
            if app is not None:
                self._run(app.stop())
        finally:
            try:
                if loaded is not None:
                    self._run(loaded.close())
            finally:
                self._thread.close()

    @property
    def now(self) -> datetime:
        """The virtual time."""
        return timestamp.to_datetime(self._served.clock.now())

    def advance(self, by: timedelta | None = None, /, **units: float) -> None:
        """Advance the time by a timedelta, or by `days=3, hours=1`, and run everything that becomes due."""
        span = by if by is not None else timedelta(**units)
        self._run(self._served.clock.advance(span))

    def start(self, orchestrator: str, input: Any = None, *, instance_id: str | None = None) -> str:
        """Start an orchestration, run it to its first wait, and return its instance ID.

        Raises UnknownFunction, InvalidArgument, InstanceExists.
        """
        client = self._served.client
        return self._then_settle(client.start(orchestrator, instance_id=instance_id, input=self._sent(input)))

    def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        """Send an event, like a JSON body posted to `sendEventPostUri`, and run everything that follows."""
        self._then_settle(self._served.client.raise_event(instance_id, name, as_json(data)))

    def terminate(self, instance_id: str, reason: str | None = None) -> None:
        self._then_settle(self._served.client.terminate(instance_id, reason))

    def suspend(self, instance_id: str, reason: str | None = None) -> None:
        self._then_settle(self._served.client.suspend(instance_id, reason))

    def resume(self, instance_id: str, reason: str | None = None) -> None:
        self._then_settle(self._served.client.resume(instance_id, reason))

    def status(self, instance_id: str) -> Instance:
        """Raises InstanceNotFound."""
        return self._run(self._status(instance_id))

    def wait(self, instance_id: str, *, limit: timedelta = timedelta(days=366)) -> Instance:
        """Jump from one due time to the next until the instance has ended, and return it.

        Raises StillRunning if nothing else is due (only an event could continue it), and after `limit` of virtual time.
        """
        return self._run(self._wait(instance_id, limit))

    def signal_entity(self, entity: str, key: str, operation: str, input: Any = None) -> None:
        """Send an operation to an entity, and run everything that follows."""
        text = self._sent(input) if input is not None else None
        self._then_settle(self._served.client.entities.signal(entity, key, operation, text))

    def entity_state(self, entity: str, key: str) -> Any:
        """The state of an entity; None if it does not exist."""
        found = self._run(self._served.client.entities.get(entity, key))
        return None if found is None else value_of(found.state)

    def replay(self, history: str | Path | list[dict[str, Any]]) -> None:
        """Replay a saved history with the app's current orchestrator. Nothing else runs, and nothing is changed.

        `history` is a file written by `func durable get-history --as-stored`, or its parsed content. Raises
        ReplayFailed if an instance with this history would not survive with the current code.
        """
        document = history if isinstance(history, list) else json.loads(Path(history).read_text("utf-8-sig"))
        self._run(self._served.replay(document))

    def history(self, instance_id: str) -> list[dict[str, Any]]:
        """The history of an instance, in the form that `replay` accepts."""
        events = self._run(self._served.client.history(instance_id))
        return write_history(events)

    def run(self, function: str, content: Any = "") -> Any:
        """Run another function (HTTP, queue, timer, activity …) once, and return its result.

        `content` is its input, such as a body or a message; values other than text become JSON. An HTTP function's
        response is `{"status": 200, "body": "text"}`. Raises FunctionFailed if the function fails.
        """
        text = content if isinstance(content, str) else as_json(content)
        outcome = self._then_settle(self._served.run(function, text))
        return None if outcome.return_value is None else plain_value(outcome.return_value)

    @property
    def _served(self) -> AppInMemory:
        if self._app is None:
            raise RuntimeError("Use the VirtualHost in a with statement.")
        return self._app

    def _sent(self, value: Any) -> str:
        return sent_text(value, encodes_twice=self._served.encodes_inputs_twice)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        assert self._thread is not None
        return self._thread.run(work)

    def _then_settle(self, work: Coroutine[Any, Any, T]) -> T:
        return self._run(self._settled(work))

    async def _settled(self, work: Coroutine[Any, Any, T]) -> T:
        result = await work
        await self._served.clock.settle()
        return result

    async def _status(self, instance_id: str) -> Instance:
        state = await self._served.client.get(instance_id)
        if state is None:
            raise InstanceNotFound(instance_id)
        return instance_of(state, encodes_twice=self._served.encodes_inputs_twice)

    async def _wait(self, instance_id: str, limit: timedelta) -> Instance:
        clock = self._served.clock
        end = clock.now() + round(limit.total_seconds() * timestamp.TICKS_PER_SECOND)
        while True:
            await clock.settle()
            state = await self._served.client.get(instance_id)
            if state is None:
                raise InstanceNotFound(instance_id)
            if state.runtime_status in TERMINAL_STATUSES:
                return instance_of(state, encodes_twice=self._served.encodes_inputs_twice)
            due = clock.next_due
            if due is None or due > end:
                why = "nothing else is due" if due is None else f"{limit} of virtual time have passed"
                raise StillRunning(
                    f"'{state.name}' ({instance_id}) is {state.runtime_status.name}, and {why}. "
                    f"Custom status: {state.custom_status or 'none'}."
                )
            await clock.advance_to(due)
