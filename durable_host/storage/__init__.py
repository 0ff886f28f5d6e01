"""Azure Storage: clients for queues, tables and blobs, and the launcher of Azurite.

The clients are our own, because importing those of the SDK takes 0.8 s, and importing these takes 0.2 s.
"""

from durable_host.storage.account import StorageAccount
from durable_host.storage.blobs import Blob, BlobProperties, BlobService
from durable_host.storage.errors import (
    AccessDenied,
    Conflict,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    StorageError,
    StorageUnavailable,
    TransactionFailed,
    odata_literal,
)
from durable_host.storage.leased_message import LeasedMessage
from durable_host.storage.message_leases import HoldTimes, MessageLeases
from durable_host.storage.poll_backoff import PollBackoff
from durable_host.storage.queue_xml import PutMessage, QueueMessage
from durable_host.storage.queues import PolledMessages, QueueService
from durable_host.storage.table_codec import EdmDateTime, EdmGuid, Entity, Int64
from durable_host.storage.table_transactions import Operation
from durable_host.storage.tables import Page, TableService

__all__ = [
    "AccessDenied",
    "Blob",
    "BlobProperties",
    "BlobService",
    "Conflict",
    "EdmDateTime",
    "EdmGuid",
    "Entity",
    "HoldTimes",
    "Int64",
    "InvalidRequest",
    "LeasedMessage",
    "MessageLeases",
    "NotFound",
    "Operation",
    "Page",
    "PollBackoff",
    "PolledMessages",
    "PreconditionFailed",
    "PutMessage",
    "QueueMessage",
    "QueueService",
    "StorageAccount",
    "StorageError",
    "StorageUnavailable",
    "TableService",
    "TransactionFailed",
    "odata_literal",
]
