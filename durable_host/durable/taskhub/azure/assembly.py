"""Assembles a hub: from accounts and options to the parts that the port and the worker role use."""

from dataclasses import dataclass

import msgspec

from durable_host.clock import Clock
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.taskhub.azure.app_lease import AppLease
from durable_host.durable.taskhub.azure.client_sender import ClientSender
from durable_host.durable.taskhub.azure.commits import Commits
from durable_host.durable.taskhub.azure.deliveries import Deliveries
from durable_host.durable.taskhub.azure.direct_work import DirectWork
from durable_host.durable.taskhub.azure.handover import Handover
from durable_host.durable.taskhub.azure.healing import Healing, healed
from durable_host.durable.taskhub.azure.held_messages import HeldMessages
from durable_host.durable.taskhub.azure.history_store import HistoryStore
from durable_host.durable.taskhub.azure.hub_resources import HubResources
from durable_host.durable.taskhub.azure.hub_worker import HubWorker
from durable_host.durable.taskhub.azure.instance_creation import InstanceCreator
from durable_host.durable.taskhub.azure.instance_store import InstanceStore
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads
from durable_host.durable.taskhub.azure.lost_histories import LostHistories
from durable_host.durable.taskhub.azure.marks import Marks
from durable_host.durable.taskhub.azure.message_reader import MessageReader
from durable_host.durable.taskhub.azure.message_releaser import MessageReleaser
from durable_host.durable.taskhub.azure.names import HubNames
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.durable.taskhub.azure.outage import Outage
from durable_host.durable.taskhub.azure.outgoing import Outgoing
from durable_host.durable.taskhub.azure.outstanding_work import OutstandingWork
from durable_host.durable.taskhub.azure.owed_messages import OwedMessages
from durable_host.durable.taskhub.azure.owned_blobs import OwnedBlobs
from durable_host.durable.taskhub.azure.partition_manager import PartitionTable
from durable_host.durable.taskhub.azure.pending_starts import PendingStarts
from durable_host.durable.taskhub.azure.purger import Purger
from durable_host.durable.taskhub.azure.reception import Reception
from durable_host.durable.taskhub.azure.rewind import Rewinder
from durable_host.durable.taskhub.azure.row_writer import RowWriter
from durable_host.durable.taskhub.azure.sender import MessageSender
from durable_host.durable.taskhub.azure.set_aside import SetAside
from durable_host.durable.taskhub.azure.unfinished_starts import UnfinishedStarts
from durable_host.durable.taskhub.azure.unsettled import UnsettledInstances
from durable_host.durable.taskhub.new_instances import NewInstances
from durable_host.durable.taskhub.port import ReceivedMessage
from durable_host.storage import StorageAccount

DEVELOPMENT_POLLING_INTERVAL = 2.0


@dataclass(frozen=True, slots=True)
class HubParts:
    """The parts of an `AzureTaskHub`. `setting` is the name of the connection for tables and blobs."""

    names: HubNames
    setting: str
    healing: Healing
    resources: HubResources
    partitions: PartitionTable
    aside: SetAside
    payloads: LargePayloads
    history: HistoryStore
    instances: InstanceStore
    rewinder: Rewinder
    blobs: OwnedBlobs
    purger: Purger
    sender: MessageSender
    client_sender: ClientSender
    direct: DirectWork
    unsettled: UnsettledInstances
    releaser: MessageReleaser
    marks: Marks
    commits: Commits
    new_instances: NewInstances
    pending_starts: PendingStarts
    creator: InstanceCreator
    worker: HubWorker


def assembled(
    account: StorageAccount, tracking: StorageAccount, options: AzureTaskHubOptions, clock: Clock, machine: Clock
) -> HubParts:
    """Return the parts of a hub with its queues in `account` and its tables and blobs in `tracking`.

    Leases and the search for missing messages go by the clock of the machine, everything else by `clock`.
    """
    names = HubNames.of(options.hub_name, options.partition_count, options.table_prefix)
    connection, setting = account.connection, tracking.connection.setting
    if connection.is_development:
        interval = min(options.max_polling_interval, DEVELOPMENT_POLLING_INTERVAL)
        options = msgspec.structs.replace(options, max_polling_interval=interval)
    outage = Outage(options.hub_name, setting)

    async def make_again() -> list[str]:
        lost = await lost_histories.find()
        made = await resources.create()
        await lost_histories.fail(lost)
        return made

    healing = Healing(names, make_again)
    queues, tables = healed(account.queues, healing), healed(tracking.tables, healing)
    payloads = LargePayloads(tracking.blobs, names.large_messages)
    aside = SetAside(tracking.blobs, names.unreadable)
    app_lease = AppLease(tracking.blobs, names, options.app_name, outage)
    plain = PartitionTable(tracking.tables, names)
    resources = HubResources(account.queues, tracking.tables, names, plain, app_lease, payloads, aside)
    lost_histories = LostHistories(tracking.tables, names, clock)
    history = HistoryStore(tables, names, payloads, clock, outage)
    instances = InstanceStore(tables, names, payloads, clock)

    async def read_row(instance_id: str) -> InstanceState | None:
        return await instances.get(instance_id, fetch_input=False, fetch_output=False)

    def check_due_start(message: ReceivedMessage) -> None:
        worker.served.check_due_start(message)

    take_all = options.take_all_activities
    held = HeldMessages(queues, options.control_hold)
    deliveries = Deliveries(
        names,
        options,
        clock,
        machine,
        held,
        take_all_activities=connection.is_development if take_all is None else take_all,
        on_due_start=check_due_start,
    )
    sender = MessageSender(queues, names, options, clock, payloads, deliveries, held)
    direct = DirectWork(deliveries, clock)
    unsettled = UnsettledInstances()
    owed = OwedMessages(payloads)
    outgoing = Outgoing(sender, deliveries, direct, outage, clock)
    handover = Handover(sender, outgoing, held, deliveries, direct, unsettled, outage)
    releaser = MessageReleaser(deliveries, held, handover, clock)
    marks = Marks(history, unsettled, owed)
    rows = RowWriter(instances, history, outage)
    commits = Commits(history, rows, sender, outgoing, held, deliveries, direct, unsettled, owed, clock)
    new_instances = NewInstances()
    pending_starts = PendingStarts(instances, history, sender, deliveries, machine, outage, names)
    reader = MessageReader(payloads, aside, held, outage, clock, names.work_items)
    worker = HubWorker(
        Reception(queues, names, options, clock, reader, held, deliveries, outage),
        PartitionTable(tables, names),
        app_lease,
        OutstandingWork(commits, marks, handover, unsettled),
        pending_starts,
        machine,
        setting=setting,
        scope=f"{connection.queue_endpoint}|{names.lower}|{options.app_name}",
        read_row=read_row,
        find_owed=history.owed,
    )
    unfinished = UnfinishedStarts(clock)
    return HubParts(
        names=names,
        setting=setting,
        healing=healing,
        resources=resources,
        partitions=plain,
        aside=aside,
        payloads=payloads,
        history=history,
        instances=instances,
        rewinder=Rewinder(tables, names, instances, clock),
        blobs=OwnedBlobs(payloads),
        purger=Purger(tables, names, instances, payloads),
        sender=sender,
        client_sender=ClientSender(queues, sender, deliveries, held),
        direct=direct,
        unsettled=unsettled,
        releaser=releaser,
        marks=marks,
        commits=commits,
        new_instances=new_instances,
        pending_starts=pending_starts,
        creator=InstanceCreator(
            instances, sender, payloads, new_instances, unfinished, pending_starts.expect, pending_starts.found
        ),
        worker=worker,
    )
