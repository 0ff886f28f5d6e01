"""Builds the listeners of an app, for queues, blobs and timers, from its functions."""

import platform
from collections.abc import Iterator

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.clock import Clock, SystemClock
from durable_host.config import HostConfig
from durable_host.config.connection import Connection
from durable_host.config.connections import ConnectionInvalid, ConnectionMissing
from durable_host.host.functions import AppFunctions
from durable_host.host.listeners import PlannedListener
from durable_host.host_id import host_id_of, instance_id
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.storage.account import StorageAccount
from durable_host.triggers.blob.trigger import BlobTriggers
from durable_host.triggers.blob.webhook import BlobWebhook
from durable_host.triggers.event_grid.webhook import EventGridWebhook
from durable_host.triggers.queue.trigger import QueueTrigger
from durable_host.triggers.timer.trigger import TimerTrigger, runs_on_startup
from durable_host.triggers.timer.zone import zone_of
from durable_host.triggers.warmup import WarmupTrigger


class AppTriggers(msgspec.Struct, frozen=True):
    """The listeners, and two webhooks. `webhook` receives blob events (None without blob triggers); `event_grid`
    receives events for Event Grid triggers.
    """

    listeners: tuple[PlannedListener, ...] = ()
    webhook: BlobWebhook | None = None
    event_grid: EventGridWebhook | None = None


def host_account(accounts: Accounts) -> StorageAccount | None:
    """The account in which the host stores its own blobs; None if the app has none."""
    try:
        account = accounts.account(None)
    except (ConnectionMissing, ConnectionInvalid):
        return None
    return account if account.connection.blob_endpoint else None


def app_triggers(
    functions: AppFunctions,
    invoker: Invoker,
    accounts: Accounts,
    config: HostConfig,
    signals: QueueSignals,
    blob_signals: BlobSignals,
    clock: Clock | None = None,
) -> AppTriggers:
    """Build the listeners. They do not listen yet."""
    host_id, instance = host_id_of(config.root, config.settings), instance_id(platform.node())
    listeners = [
        *_queue_listeners(functions, invoker, accounts, config, signals),
        *_warmup_listeners(functions, invoker),
        *_timer_listeners(functions, invoker, accounts, config, clock or SystemClock(), host_id, instance),
    ]
    topics = functions.of_trigger("eventgridtrigger")
    event_grid = EventGridWebhook(topics, invoker) if topics else None
    blobs = functions.of_trigger("blobtrigger")
    if not blobs:
        return AppTriggers(tuple(listeners), event_grid=event_grid)
    triggers = BlobTriggers(
        blobs,
        invoker,
        accounts,
        host_id=host_id,
        options=config.host.blobs,
        queues=config.host.queues,
        signals=signals,
        blob_signals=blob_signals,
        instance_id=instance,
    )
    functions_key = [(function.name, function.trigger, _connection(function, accounts)) for function in blobs]
    key = (functions_key, host_id, config.host.blobs, config.host.queues, accounts.account(None).connection)
    if triggers.scanner.endpoints:
        listeners.append(PlannedListener("WebJobs.Internal.Blobs", key, triggers.scanner, exclusive=True))
    listeners.append(PlannedListener("WebJobs.Internal.Blobs.Queue", key, triggers.queue))
    return AppTriggers(tuple(listeners), BlobWebhook(triggers.targets, triggers.enqueue), event_grid)


def _queue_listeners(
    functions: AppFunctions, invoker: Invoker, accounts: Accounts, config: HostConfig, signals: QueueSignals
) -> Iterator[PlannedListener]:
    for function in functions.of_trigger("queuetrigger"):
        trigger = QueueTrigger(function, invoker, accounts, config.host.queues, signals)
        key = (function.trigger, _connection(function, accounts), config.host.queues)
        yield PlannedListener(f"Functions.{function.name}", key, trigger.listener)


def _warmup_listeners(functions: AppFunctions, invoker: Invoker) -> Iterator[PlannedListener]:
    for function in functions.of_trigger("warmuptrigger"):
        yield PlannedListener(f"Functions.{function.name}", function.trigger, WarmupTrigger(function, invoker))


def _timer_listeners(
    functions: AppFunctions,
    invoker: Invoker,
    accounts: Accounts,
    config: HostConfig,
    clock: Clock,
    host_id: str,
    instance: str,
) -> Iterator[PlannedListener]:
    timers = functions.of_trigger("timertrigger")
    if not timers:
        return
    account = host_account(accounts)
    zone = zone_of(config.settings)
    for function in timers:
        timer = TimerTrigger(
            function,
            invoker,
            zone=zone,
            clock=clock,
            service=account.blobs if account is not None else None,
            host_id=host_id,
            instance_id=instance,
        )
        reload = object() if runs_on_startup(function.trigger) else None
        key = (function.trigger, zone.name, host_id, account.connection if account is not None else None, reload)
        yield PlannedListener(f"Functions.{function.name}", key, timer.listener, exclusive=True)


def _connection(function: FunctionMetadata, accounts: Accounts) -> Connection:
    return accounts.account(function.trigger.text("connection")).connection
