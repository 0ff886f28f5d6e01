"""Where queues are: the task hub, and the storage accounts that the app's connections name."""

from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from durable_host.bindings.accounts import account_key
from durable_host.bindings.queue_text import InvalidQueueName, queue_name
from durable_host.dashboard.api_errors import UNKNOWN_ROUTE, DashboardError
from durable_host.dashboard.sources import DashboardSources, HubSource
from durable_host.durable.taskhub.inspection import HubMessage, InspectableHub
from durable_host.errors import HostError
from durable_host.storage import QueueService, StorageAccount, StorageError

POISON = "-poison"
HUB_FILE = "task hub"
"""Names the file of a hub, whose queues are not in a storage account."""
Role = Literal["control", "workItem", "app", "poison", "other"]


class KnownQueue(msgspec.Struct, kw_only=True):
    """A queue, and what it is for. The numbers are set only for queues that are not in a storage account."""

    name: str
    role: Role
    partition: int | None = None
    function: str | None = None
    poison_of: str | None = None
    visible: int | None = None
    total: int | None = None
    oldest: int | None = None


class Place(msgspec.Struct, kw_only=True):
    """An account with queues, or the file of a hub, which has `peek` instead of a `service`.

    `connection` names it for callers; None is the first account: that of the task hub, or of AzureWebJobsStorage.
    """

    connection: str | None
    service: QueueService | None
    encoding: str
    queues: list[KnownQueue]
    notify: Callable[[str], None] = lambda _: None
    peek: Callable[[str, int], Awaitable[list[HubMessage]]] | None = None


async def places_of(sources: DashboardSources) -> tuple[list[Place], list[str]]:
    """All places with their queues, the task hub first, and the errors of accounts that do not answer."""
    hub, errors = sources.hub(), list[str]()
    triggers = _triggers(sources)
    places: list[Place] = []
    own = await _hub_queues(hub) if hub is not None else []
    if hub is not None and hub.queues is None:
        places.append(_file_place(hub, own))
    for account, connection in _accounts(sources, hub, triggers):
        key = account_key(account)
        of_account = {queue: name for queue, name, other in triggers if account_key(other) == key}
        of_hub = own if hub is not None and hub.queues is account else []
        try:
            names = await account.queues.list()
        except StorageError as error:
            errors.append(str(error))
            continue
        places.append(
            Place(
                connection=connection,
                service=account.queues,
                encoding=_encoding(sources),
                queues=_classified(names, of_hub, of_account),
                notify=_notifier(sources, account),
            )
        )
    return places, errors


async def queue_named(sources: DashboardSources, name: str, connection: str | None) -> tuple[Place, KnownQueue]:
    """The queue with this name behind a connection; None looks in all places. Raises DashboardError."""
    places, errors = await places_of(sources)
    if connection is None and errors:
        raise DashboardError(503, errors[0], code="DH6304", remedy="Check the storage account, and try again.")
    for place in places:
        if connection is None or place.connection == connection:
            for queue in place.queues:
                if queue.name == name:
                    return place, queue
    raise DashboardError(
        404, f"There is no queue '{name[:100]}'.", code=UNKNOWN_ROUTE, remedy="GET /_df/api/queues lists the queues."
    )


def _triggers(sources: DashboardSources) -> list[tuple[str, str, StorageAccount]]:
    """The queues that trigger functions: name, function and account."""
    found: list[tuple[str, str, StorageAccount]] = []
    if sources.app is None:
        return found
    accounts = sources.accounts()
    for function in sources.app.functions(""):
        metadata = function.metadata
        if metadata is None or metadata.trigger.type.lower() != "queuetrigger":
            continue
        try:
            queue = queue_name(metadata.trigger.text("queueName") or "")
            found.append((queue, function.name, accounts.account(metadata.trigger.text("connection"))))
        except (InvalidQueueName, HostError):
            continue
    return found


def _accounts(
    sources: DashboardSources, hub: HubSource | None, triggers: list[tuple[str, str, StorageAccount]]
) -> list[tuple[StorageAccount, str | None]]:
    """The accounts with queues, and the connection that names each; None for the first one."""
    found: list[StorageAccount] = []
    if hub is not None and hub.queues is not None:
        found.append(hub.queues)
    if sources.app is not None:
        try:
            main = sources.accounts().account(None)
        except HostError:
            main = None
        candidates = [*([main] if main is not None else []), *(account for _, _, account in triggers)]
        for account in candidates:
            known = {account_key(one) for one in found}
            if account.connection.queue_endpoint and account_key(account) not in known:
                found.append(account)
    return [(account, None if number == 0 else account.connection.setting) for number, account in enumerate(found)]


async def _hub_queues(hub: HubSource) -> list[KnownQueue]:
    storage = hub.client.hub
    if not isinstance(storage, InspectableHub):
        return []
    return [
        KnownQueue(
            name=queue.name,
            role=queue.role,
            partition=queue.partition,
            visible=queue.visible,
            total=None if queue.visible is None else queue.visible + (queue.invisible or 0),
            oldest=queue.oldest,
        )
        for queue in await storage.queues()
    ]


def _file_place(hub: HubSource, queues: list[KnownQueue]) -> Place:
    storage = hub.client.hub
    assert isinstance(storage, InspectableHub)
    return Place(connection=HUB_FILE, service=None, encoding="none", queues=queues, peek=storage.peek)


def _classified(names: list[str], of_hub: list[KnownQueue], of_functions: dict[str, str]) -> list[KnownQueue]:
    """The queues of an account: those of the hub and of functions even if they do not exist, then the others."""
    found = {queue.name: queue for queue in of_hub}
    for name, function in of_functions.items():
        found.setdefault(name, KnownQueue(name=name, role="app", function=function))
    for name in names:
        if name in found:
            continue
        source = name.removesuffix(POISON)
        if source != name:
            found[name] = KnownQueue(name=name, role="poison", poison_of=source, function=of_functions.get(source))
        else:
            found[name] = KnownQueue(name=name, role="other")
    return list(found.values())


def _encoding(sources: DashboardSources) -> str:
    return "base64" if sources.app is None else sources.app.config().host.queues.message_encoding


def _notifier(sources: DashboardSources, account: StorageAccount) -> Callable[[str], None]:
    app, key = sources.app, account_key(account)
    return (lambda queue: None) if app is None else (lambda queue: app.notify(key, queue))
