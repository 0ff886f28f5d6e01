"""What a test does with an app, in the event loop of the app."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from durable_host.dashboard.sources import HubSource
from durable_host.durable.api import DurableClient
from durable_host.durable.api.identifiers import unknown_function
from durable_host.durable.engine.numbered_replay import replay_history
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.runtime.runtime import engine_options
from durable_host.durable.taskhub.azure.history_json import read_history
from durable_host.host.served_app import ServedApp
from durable_host.testing.app_backend import InstanceView
from durable_host.testing.instance_record import Instance, instance_of
from durable_host.testing.json_values import as_json, encodes_inputs_twice, sent_text
from durable_host.testing.kit_patience import StillBusy
from durable_host.testing.manual_run import run_function
from durable_host.testing.view_reader import ViewReader
from durable_host.web.manual_invocation import plain_value


class RunningApp(Protocol):
    """An app that runs in this process."""

    @property
    def served(self) -> ServedApp: ...

    @property
    def source(self) -> HubSource:
        """The task hub. Raises LookupError if the app has no durable functions."""
        ...

    async def settle(self) -> None:
        """Wait until nothing is left to do at the current time."""
        ...

    async def settle_to_read(self) -> None:
        """The same, before a step that changes nothing."""
        ...

    def limit(self, what: str) -> AbstractAsyncContextManager[None]:
        """End the block, which runs code of the app, if a test should not wait any longer. Raises StillBusy."""
        ...


class AppOperations:
    """The operations of `AppBackend` on an app.

    Those that change something wait for what follows, those that read for what a client in the test has begun.
    """

    def __init__(self, app: RunningApp, views: ViewReader) -> None:
        self._app = app
        self._views = views

    async def start(self, orchestrator: str, input: Any, instance_id: str | None, version: str | None) -> str:
        text = self._sent(input)
        started = await self._client.start(orchestrator, instance_id=instance_id, input=text, version=version)
        await self._app.settle()
        return started

    async def instance(self, instance_id: str) -> Instance | None:
        await self._app.settle_to_read()
        state = await self._client.get(instance_id)
        return None if state is None else instance_of(state, encodes_twice=self._encodes_twice)

    async def instances(self, name: str | None, status: str | None) -> list[Instance]:
        await self._app.settle_to_read()
        statuses = frozenset[OrchestrationStatus]() if status is None else frozenset({OrchestrationStatus[status]})
        found = [
            state
            async for state in self._client.query_all(InstanceQuery(statuses=statuses))
            if not state.instance_id.startswith("@") and (name is None or state.name.casefold() == name.casefold())
        ]
        code = self._app.source.code
        if not found and name is not None and code is not None and not code.has_orchestrator(name):
            raise unknown_function(name, "orchestrator", code.orchestrator_names())
        found.sort(key=lambda state: state.created_time)
        return [instance_of(state, encodes_twice=self._encodes_twice) for state in found]

    async def view(self, instance_id: str) -> InstanceView:
        await self._app.settle_to_read()
        async with self._app.limit(f"The replay of '{instance_id}'"):
            return await self._views.read(self._app.source, instance_id)

    async def raise_event(self, instance_id: str, name: str, data: Any) -> None:
        await self._client.raise_event(instance_id, name, as_json(data))
        await self._app.settle()

    async def terminate(self, instance_id: str, reason: str | None) -> None:
        await self._client.terminate(instance_id, reason)
        await self._app.settle()

    async def suspend(self, instance_id: str, reason: str | None) -> None:
        await self._client.suspend(instance_id, reason)
        await self._app.settle()

    async def resume(self, instance_id: str, reason: str | None) -> None:
        await self._client.resume(instance_id, reason)
        await self._app.settle()

    async def rewind(self, instance_id: str, reason: str | None) -> None:
        await self._client.rewind(instance_id, reason)
        await self._app.settle()

    async def restart(self, instance_id: str, new_id: str | None) -> str:
        restarted = await self._client.restart(instance_id, new_id=new_id)
        await self._app.settle()
        return restarted

    async def purge(self, instance_id: str) -> bool:
        return await self._client.purge(instance_id)

    async def signal_entity(self, name: str, key: str, operation: str, input: Any) -> None:
        text = self._sent(input) if input is not None else None
        await self._client.entities.signal(name, key, operation, text)
        await self._app.settle()

    async def entity_state(self, name: str, key: str) -> str | None:
        await self._app.settle_to_read()
        found = await self._client.entities.get(name, key)
        code = self._app.source.code
        if code is not None and not code.has_entity(name):
            raise unknown_function(name.lower(), "entity", code.entity_names())
        return None if found is None else found.state

    async def call(self, function: str, content: str) -> Any:
        try:
            async with self._app.limit(f"The function '{function}'"):
                outcome = await run_function(self._app.served, function, content)
        except StillBusy:
            raise
        except Exception:  # but not if the test waits no longer
            await self._app.settle()
            raise
        await self._app.settle()
        return None if outcome.return_value is None else plain_value(outcome.return_value)

    async def replay(self, history: Sequence[Any]) -> None:
        source = self._app.source
        assert source.code is not None
        async with self._app.limit("The replay of the history"):
            await replay_history(read_history(history), source.code, engine_options(source.options))

    @property
    def _client(self) -> DurableClient:
        return self._app.source.client

    @property
    def _encodes_twice(self) -> bool:
        return encodes_inputs_twice(self._app.source.code)

    def _sent(self, value: Any) -> str:
        return sent_text(value, encodes_twice=self._encodes_twice)
