"""Checks the app's task hub and the poison queues of its queue triggers."""

from collections import Counter
from typing import Final

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.queue_text import queue_name
from durable_host.cli.doctor import findings
from durable_host.cli.doctor.findings import Finding
from durable_host.cli.durable.hub_session import partition_count
from durable_host.clock import SystemClock
from durable_host.config import HostConfig
from durable_host.durable.model.instance import InstanceQuery, InstanceState
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.port import TaskHub, TaskHubUnavailable
from durable_host.host.functions import AppFunctions
from durable_host.host.hub_opening import open_hub, sqlite_path, uses_sqlite
from durable_host.storage import NotFound, StorageAccount, StorageError
from durable_host.timestamp import TICKS_PER_MINUTE

_HUB: Final = "Task hub"
_MOST: Final = 10_000
_PENDING_MINUTES: Final = 10
_POISON_DEQUEUES: Final = 10


async def check(config: HostConfig, accounts: Accounts, account: StorageAccount | None) -> list[Finding]:
    """Findings about the hub in host.json. `account` is None if its storage does not answer, or the hub is a file."""
    name = config.host.durable.hub_name
    if uses_sqlite(config):
        from durable_host.durable.taskhub.sqlite import is_there

        path = sqlite_path(config, name)
        if not is_there(path):
            return [findings.ok(_HUB, f"'{name}' does not exist yet; the first start creates it in {path}")]
    elif account is None:
        return []
    try:
        result: list[Finding] = []
        if account is not None and not uses_sqlite(config):
            if not await account.tables.table_exists(HubNames.of(name, 1).instances):
                return [findings.ok(_HUB, f"'{name}' does not exist yet; the first start creates it")]
            result = await _queues(config, account, name)
        hub = open_hub(config, accounts, name, config.host.durable.storage.connection_name)
        try:
            return [*await _instances(hub), *result, *await _set_aside(config, hub)]
        finally:
            await hub.close()
    except (StorageError, TaskHubUnavailable) as error:
        return [findings.problem(_HUB, f"'{name}' cannot be read: {error}", "See the storage findings above.")]


async def poison_queues(accounts: Accounts, app: AppFunctions) -> list[Finding]:
    """Findings about messages in poison queues."""
    result: list[Finding] = []
    for function in app.of_trigger("queuetrigger"):
        trigger = function.trigger
        poison = f"{queue_name(trigger.text('queueName') or '')}-poison"
        try:
            count = await accounts.account(trigger.text("connection")).queues.message_count(poison)
        except NotFound:
            continue
        except StorageError as error:
            result.append(findings.warning("Queues", f"The queue '{poison}' cannot be read: {error}"))
            continue
        if count:
            result.append(
                findings.warning(
                    "Queues",
                    f"{function.name} failed on {count} message{'s' if count > 1 else ''}, now in '{poison}'.",
                    "Check the function's errors in the log; put the messages back into the queue, or delete them.",
                )
            )
    return result


async def _set_aside(config: HostConfig, hub: TaskHub) -> list[Finding]:
    """Findings about unreadable messages, by queue."""
    name = config.host.durable.hub_name
    place = "the table 'set_aside' of its file"
    if not uses_sqlite(config):
        place = f"the container '{HubNames.of(name, 1).unreadable}'"
    return [
        findings.warning(
            _HUB,
            f"{count} message{'s' if count > 1 else ''} of the queue '{queue}' could not be read and "
            f"{'were' if count > 1 else 'was'} set aside.",
            f"Each is kept in {place} with the reason. Check who sent it; delete it if you do not need it.",
        )
        for queue, count in sorted((await hub.set_aside()).items())
    ]


async def _instances(hub: TaskHub) -> list[Finding]:
    query = InstanceQuery(fetch_input=False, fetch_output=False, top=1000)
    states: list[InstanceState] = []
    while True:
        page = await hub.query_instances(query)
        states += page.instances
        if page.continuation_token is None or len(states) >= _MOST:
            break
        query = InstanceQuery(
            fetch_input=False, fetch_output=False, top=1000, continuation_token=page.continuation_token
        )
    counts = Counter(state.runtime_status for state in states if not state.instance_id.startswith("@"))
    entities = sum(state.instance_id.startswith("@") for state in states)
    parts = [f"{count} {status.name}" for status, count in sorted(counts.items())]
    parts += [f"{entities} entities"] if entities else []
    most = " (more are not counted)" if page.continuation_token else ""
    result = [findings.ok(_HUB, f"'{hub.name}' holds {', '.join(parts) or 'no instances'}{most}")]
    stuck = _never_started(states, SystemClock().now())
    if stuck:
        result.append(
            findings.warning(
                _HUB,
                f"{len(stuck)} instance{'s have' if len(stuck) > 1 else ' has'} been Pending for more than "
                f"{_PENDING_MINUTES} minutes: {', '.join(stuck[:5])}{' …' if len(stuck) > 5 else ''}",
                "They start when a host serves the hub (func start). If one does, its app may lack the orchestrator; "
                "func durable terminate --id ID ends one.",
            )
        )
    return result


def _never_started(states: list[InstanceState], now: int) -> list[str]:
    limit = now - _PENDING_MINUTES * TICKS_PER_MINUTE
    return [
        state.instance_id
        for state in states
        if state.runtime_status is OrchestrationStatus.Pending
        and max(state.last_updated_time, state.scheduled_start_time or 0) < limit
    ]


async def _queues(config: HostConfig, account: StorageAccount, name: str) -> list[Finding]:
    result: list[Finding] = []
    configured = config.host.durable.storage.partition_count
    found = await partition_count(account, name)
    if found and found != configured:
        result.append(
            findings.problem(
                _HUB,
                f"'{name}' was created with {found} partitions, but host.json says {configured}: messages may go to "
                "queues that no host reads.",
                f"Set extensions.durableTask.storageProvider.partitionCount to {found}, or use another hub.",
            )
        )
    names = HubNames.of(name, found)
    for queue in (names.work_items, *names.control_queues):
        try:
            messages = await account.queues.peek(queue)
        except NotFound:
            continue
        poison = sum(message.dequeue_count >= _POISON_DEQUEUES for message in messages)
        if poison:
            result.append(
                findings.warning(
                    _HUB,
                    f"{poison} message{'s' if poison > 1 else ''} in '{queue}' {'were' if poison > 1 else 'was'} "
                    f"received {_POISON_DEQUEUES} times or more and never processed.",
                    "The host's log says why (func start --verbose); terminate or purge the instance it is for.",
                )
            )
    return result
