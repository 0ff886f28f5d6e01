"""An app in a real worker, whose functions are invoked like by triggers, with bindings on the session's Azurite."""

import os
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.durable_client import DurableClientInput
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.unserved_output import mode_of
from durable_host.config import HostConfig, load
from durable_host.config.binding_data import from_json_text
from durable_host.host.binding_registry import binding_registry
from durable_host.host.functions import AppFunctions, app_functions
from durable_host.invocation.datum import string
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.worker_options import WorkerOptions
from durable_host.storage import StorageAccount

HEADER = """
import io, json
from typing import List, Optional
import azure.functions as func

app = func.FunctionApp()


# An activity: what it returns comes back as JSON.
def telling(function):
    return app.generic_trigger(arg_name="msg", type="activityTrigger")(function)


# A queue function: it may have outputs, $return among them.
def trigger(function):
    return app.queue_trigger(arg_name="msg", queue_name="never-read", connection="AzureWebJobsStorage")(function)
"""


class BindingsWorld:
    """The functions of one app by name."""

    def __init__(self, config: HostConfig, functions: AppFunctions, invoker: Invoker, accounts: Accounts) -> None:
        self.config = config
        self.functions = functions
        self.account: StorageAccount = accounts.account(None)
        self._invoker = invoker

    async def run(self, function: str, text: str = "{}", **data: Any) -> Outcome:
        """Run it as a message with this text would; `data` is further binding data."""
        metadata = next((one for one in self.functions.served if one.name == function), None)
        assert metadata is not None, (self.functions.errors, self.functions.not_served)
        return await self._invoker.invoke(
            metadata,
            trigger_value=string(text),
            binding_data={**data, metadata.trigger.name: text, **from_json_text(text)},
            reason="test",
        )

    async def failure(self, function: str, text: str = "{}", **data: Any) -> str:
        """The text of the error that running it raises."""
        try:
            await self.run(function, text, **data)
        except FunctionFailed as error:
            return str(error)
        raise AssertionError(f"{function} did not fail")

    def error_of(self, function: str) -> str:
        return next(error.message for error in self.functions.errors if error.function == function)


def write_app(root: Path, code: str) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "host.json").write_text('{"version": "2.0"}', "utf-8")
    (root / "function_app.py").write_text(HEADER + code, "utf-8")


@asynccontextmanager
async def running(root: Path, code: str, settings: Mapping[str, str]) -> AsyncIterator[BindingsWorld]:
    write_app(root, code)
    config = load(root, environ=dict(settings))
    pool = WorkerPool(WorkerOptions(root=root, environment={**os.environ, **settings}, executable=Path(sys.executable)))
    accounts = Accounts(config.settings)

    async def payload(hub: str | None, connection: str | None) -> str:
        return "{}"

    client = DurableClientInput(payload)
    outputs = mode_of(config.settings)
    registry = binding_registry(
        accounts, QueueSignals(), BlobSignals(), config.host.queues, client, config.settings, outputs
    )
    try:
        index = await pool.start()
        assert index.failure is None, index.failure
        functions = app_functions(index, config, registry.serves)
        yield BindingsWorld(config, functions, Invoker(pool, registry), accounts)
    finally:
        await pool.stop(2)
        await accounts.close()


def unique(prefix: str) -> str:
    return f"{prefix}{uuid.uuid4().hex[:16]}"


def plain(outcome: Outcome) -> Any:
    """What the function returned, as JSON."""
    assert outcome.return_value is not None
    return msgspec.json.decode(outcome.return_value.as_text() or "null")
