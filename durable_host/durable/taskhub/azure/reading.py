"""From queue messages to task messages; what cannot be read is set aside.

Source: spec/task-hub-storage.md, sections 3.6 and 5.4; gotcha 21.
"""

import logging
from collections import OrderedDict

from durable_host.durable.taskhub.azure import envelope
from durable_host.durable.taskhub.azure.envelope import Envelope, UnreadableMessage
from durable_host.durable.taskhub.azure.large_payloads import LargePayloads, UnreadablePayload
from durable_host.storage import QueueMessage

_log = logging.getLogger("Host.Triggers.DurableTask")
_REMEMBERED = 10_000


class MessageReader:
    """Decodes messages, with their blobs, and warns once of each that cannot be read."""

    def __init__(self, payloads: LargePayloads) -> None:
        self._payloads = payloads
        self._warned: OrderedDict[str, None] = OrderedDict()

    async def read(self, queue: str, got: QueueMessage) -> Envelope | None:
        """The envelope with its message; None, after a warning, when there is no making sense of it.

        Raises StorageError when a blob cannot be fetched now.
        """
        try:
            read = envelope.from_text(got.text)
            if read.compressed_blob_name is not None:
                read = envelope.from_json(await self._payloads.get(read.compressed_blob_name))
            if read.message is None:
                raise UnreadableMessage("its blob holds a pointer again")
            return read
        except (UnreadableMessage, UnreadablePayload) as problem:
            self._warn(queue, got, problem)
            return None

    def _warn(self, queue: str, got: QueueMessage, problem: Exception) -> None:
        if got.id in self._warned:
            return
        self._warned[got.id] = None
        if len(self._warned) > _REMEMBERED:
            self._warned.popitem(last=False)
        _log.warning(
            "A message in queue '%s' cannot be read and is set aside: %s. Message ID %s, dequeued %d times.",
            queue,
            problem,
            got.id,
            got.dequeue_count,
        )
