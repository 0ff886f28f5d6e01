"""The blob-triggered functions of an app, with one scanner and one internal queue for all of them.

Source: docs/protocol/functions-host-blobs.md#scan-for-blobs,
    docs/protocol/functions-host-blobs.md#internal-queue,
    docs/protocol/functions-host-blobs.md#blob-delivery
"""

import logging

from durable_host.bindings.accounts import Accounts, account_key
from durable_host.bindings.blob_input import deferred_blob, text_or_bytes
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.queue_text import encode
from durable_host.config.extensions import BlobOptions, QueueOptions
from durable_host.errors import HostError
from durable_host.invocation.datum import Datum, binary
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.storage.blobs import Blob
from durable_host.storage.errors import NotFound, StorageError
from durable_host.storage.queue_xml import QueueMessage
from durable_host.triggers.blob.blob_delivery import BlobDelivery
from durable_host.triggers.blob.blob_metadata import blob_details, blob_metadata
from durable_host.triggers.blob.message import BlobTriggerMessage, internal_queue, to_text
from durable_host.triggers.blob.receipts import BlobReceipts
from durable_host.triggers.blob.scanner import BlobScanner
from durable_host.triggers.blob.target import EVENT_GRID, BlobTarget, blob_pattern, source_of
from durable_host.triggers.listener_lock import ListenerLock
from durable_host.triggers.queue.listener import QueueListener
from durable_host.triggers.queue.trigger import HOLD, HOLD_ON_DEVELOPMENT_ACCOUNT

_log = logging.getLogger("Host.Triggers.Blob")

DEVELOPMENT_INTERVAL = 2.0
CLOUD_INTERVAL = 10.0
_UNLIMITED = 2**31 - 1


class BlobNotThere(HostError):
    """The function was run by hand for a blob that does not exist."""

    code = "DH5031"


class BlobTriggers:
    """The blob triggers of an app. Both `scanner` and `queue` must listen."""

    def __init__(
        self,
        functions: tuple[FunctionMetadata, ...],
        invoker: Invoker,
        accounts: Accounts,
        *,
        host_id: str,
        options: BlobOptions,
        queues: QueueOptions,
        signals: QueueSignals,
        blob_signals: BlobSignals,
        instance_id: str = "",
    ) -> None:
        self._invoker = invoker
        self._host = accounts.account(None)
        self._queue_name = internal_queue(host_id)
        self._encoding = queues.message_encoding
        self._signals = signals
        targets = [target_of(function, accounts) for function in functions]
        self.targets = {target.id: target for target in targets}
        scanned = [target for target in targets if target.source != EVENT_GRID]
        is_development = all(target.account.connection.is_development for target in scanned)
        self.scanner = BlobScanner(
            scanned,
            BlobReceipts(self._host.blobs, host_id),
            self.enqueue,
            lock=ListenerLock(self._host.blobs, host_id, "WebJobs.Internal.Blobs.Listener", instance_id=instance_id),
            signals=blob_signals,
            interval=DEVELOPMENT_INTERVAL if is_development else CLOUD_INTERVAL,
        )
        delivery = BlobDelivery(
            self.targets,
            self.run,
            host=self._host,
            signals=signals,
            changed=self.scanner.notify,
            most_tries=options.poison_blob_threshold,
        )
        self.queue = QueueListener(
            queue=self._queue_name,
            account=account_key(self._host),
            service=self._host.queues,
            options=_internal_queue_options(options, queues),
            signals=signals,
            run=delivery.deliver,
            hold=HOLD_ON_DEVELOPMENT_ACCOUNT if self._host.connection.is_development else HOLD,
        )

    async def enqueue(self, message: BlobTriggerMessage) -> None:
        """Put the message and wake its receiver. Raises StorageError."""
        text = encode(to_text(message).encode(), self._encoding)
        try:
            await self._host.queues.put(self._queue_name, text)
        except NotFound:
            await self._host.queues.create(self._queue_name)
            await self._host.queues.put(self._queue_name, text)
        self._signals.notify(account_key(self._host), self._queue_name)

    async def run(self, target: BlobTarget, blob: Blob, message: QueueMessage) -> None:
        """Run the function. Raises an exception if it fails; the invoker has logged it."""
        container, name = target.container, blob.properties.name
        try:
            await invoke_blob(
                self._invoker,
                target,
                container,
                blob,
                reason=f"New blob detected({target.source}): {container}/{name}",
                details=blob_details(message, blob.properties),
            )
        except (FunctionFailed, HostError):
            raise
        except Exception:
            _log.exception("The blob '%s/%s' could not be run.", container, name)
            raise


def _internal_queue_options(options: BlobOptions, queues: QueueOptions) -> QueueOptions:
    """At most `max_degree_of_parallelism` messages run at a time. `BlobDelivery` counts the tries itself."""
    most = options.max_degree_of_parallelism
    batch = min(32, most // 2 + 1)
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=max(0, most - batch),
        max_polling_interval=queues.max_polling_interval,
        max_dequeue_count=_UNLIMITED,
        message_encoding=queues.message_encoding,
    )


async def invoke_blob(
    invoker: Invoker,
    target: BlobTarget,
    container: str,
    blob: Blob,
    *,
    reason: str,
    details: str | None = None,
    invocation_id: str | None = None,
) -> Outcome:
    """One invocation for a blob that has been read."""
    name = blob.properties.name
    metadata = blob_metadata(
        container,
        blob.properties,
        target.account.blobs.url(container, name),
        target.pattern.match(container, name) or {},
    )
    path = metadata["BlobTrigger"]
    return await invoker.invoke(
        target.function,
        trigger_value=_value(target, container, blob),
        trigger_metadata=metadata,
        binding_data={target.function.trigger.name: path, **metadata},
        reason=reason,
        details=details,
        invocation_id=invocation_id,
    )


def _value(target: BlobTarget, container: str, blob: Blob) -> Datum:
    trigger = target.function.trigger
    if trigger.is_deferred:
        return deferred_blob(target.account.connection, container, blob.properties.name)
    return text_or_bytes(blob.data) if trigger.data_type == "string" else binary(blob.data)


def target_of(function: FunctionMetadata, accounts: Accounts) -> BlobTarget:
    """The target of a function. Raises TemplateInvalid and errors of the connection."""
    trigger = function.trigger
    return BlobTarget(function, accounts.account(trigger.text("connection")), blob_pattern(trigger), source_of(trigger))


async def named_blob(target: BlobTarget, path: str) -> tuple[str, Blob]:
    """The container and the blob for the path `container/name`. Raises BlobNotThere."""
    container, slash, name = path.strip().lstrip("/").partition("/")
    container = container.lower()
    try:
        blob = await target.account.blobs.get(container, name) if slash and name else None
    except StorageError as error:
        raise BlobNotThere(f"The blob '{path}' could not be read: {error}") from error
    if blob is None:
        raise BlobNotThere(
            f"There is no blob '{path}'.",
            remedy="Pass the input as 'container/name' of a blob that exists.",
        )
    return container, blob
