"""Registers the binding types that this host serves."""

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_input import BlobInput
from durable_host.bindings.blob_output import BlobOutput
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.durable_client import DurableClientInput
from durable_host.bindings.event_grid_output import EventGridOutput
from durable_host.bindings.mcp_tool_property import McpToolPropertyInput
from durable_host.bindings.queue_output import QueueOutput
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.table_input import TableInput
from durable_host.bindings.table_output import TableOutput
from durable_host.bindings.unserved_output import Mode, UnservedOutput
from durable_host.config.extensions import QueueOptions
from durable_host.config.settings import AppSettings
from durable_host.host.functions import SERVED_TRIGGERS
from durable_host.invocation.bindings import BindingRegistry


def binding_registry(
    accounts: Accounts,
    signals: QueueSignals,
    blob_signals: BlobSignals,
    queues: QueueOptions,
    client: DurableClientInput,
    settings: AppSettings,
    unserved_outputs: Mode = "fail",
) -> BindingRegistry:
    """The registry of all served types. `unserved_outputs`: see `UnservedOutput`."""
    return BindingRegistry(
        triggers=SERVED_TRIGGERS,
        inputs={
            "durableClient": client,
            "orchestrationClient": client,
            "blob": BlobInput(accounts),
            "table": TableInput(accounts),
            "mcpToolProperty": McpToolPropertyInput(),
        },
        outputs={
            "queue": QueueOutput(accounts, signals, queues.message_encoding),
            "blob": BlobOutput(accounts, blob_signals),
            "table": TableOutput(accounts),
            "eventGrid": EventGridOutput(settings),
        },
        unserved_output=UnservedOutput(unserved_outputs),
    )
