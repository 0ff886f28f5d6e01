"""The queue output binding.

Source: docs/protocol/functions-host-queues.md#queue-output, docs/protocol/functions-host-values.md#items-of-an-output
"""

import logging
from collections.abc import Mapping
from typing import Any

from durable_host.bindings.accounts import Accounts, account_key
from durable_host.bindings.properties import BindingFailed, required
from durable_host.bindings.queue_items import holds_queue_message, split_json, split_text
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.queue_text import InvalidQueueName, encode, queue_name
from durable_host.invocation.bindings import BindingContext
from durable_host.invocation.datum import Datum
from durable_host.invocation.metadata import Binding
from durable_host.storage.errors import NotFound, StorageError
from durable_host.storage.queues import QueueService

MESSAGE_IS_JSON = "DH5051"


class QueueOutput:
    """Puts one message per item; creates a missing queue; notifies this host's listener.

    Logs a warning once for each binding that stores a `QueueMessage`, because consumers get it as JSON.
    """

    def __init__(self, accounts: Accounts, signals: QueueSignals, encoding: str) -> None:
        self._accounts = accounts
        self._signals = signals
        self._encoding = encoding
        self._warned: set[tuple[str, str]] = set()

    async def write(
        self, binding: Binding, datum: Datum, binding_data: Mapping[str, Any], context: BindingContext
    ) -> None:
        """Put the messages. Raises BindingFailed; messages put before the failure stay."""
        try:
            queue = queue_name(required(binding, "queueName", binding_data, context.function.name))
            texts = [encode(message, self._encoding) for message in messages_of(datum)]
        except InvalidQueueName as error:
            raise BindingFailed(str(error)) from error
        except UnicodeDecodeError as error:
            raise BindingFailed(
                f"The message for the binding '{binding.name}' is not UTF-8 text.",
                cause="host.json says that queue messages are plain text.",
                remedy='Set "extensions": {"queues": {"messageEncoding": "base64"}} in host.json, or send text.',
            ) from error
        self._warn_of_queue_message(binding, datum, context.function.name)
        account = self._accounts.account(binding.text("connection"))
        try:
            for text in texts:
                await _put(account.queues, queue, text)
        except StorageError as error:
            raise BindingFailed(f"The message could not be put on the queue '{queue}': {error}") from error
        finally:
            self._signals.notify(account_key(account), queue)

    def _warn_of_queue_message(self, binding: Binding, datum: Datum, function: str) -> None:
        """Warn that a `QueueMessage` is stored as JSON, which surprises most users."""
        if datum.kind != "json" or (function, binding.name) in self._warned:
            return
        if holds_queue_message(datum.as_text() or "null"):
            self._warned.add((function, binding.name))
            logging.getLogger(f"Function.{function}").warning(
                "%s: The function '%s' sets its output '%s' to a func.QueueMessage. What is stored is JSON with 'id' "
                "and 'body', and a consumer gets exactly that from get_body(), in Azure too. To send the body alone, "
                "set the text itself: func.Out[str].",
                MESSAGE_IS_JSON,
                function,
                binding.name,
            )


def messages_of(value: Datum) -> list[bytes]:
    """The contents of the messages for an output value."""
    if value.kind == "bytes":
        return [value.value]
    if value.kind in ("collection_bytes", "collection_string"):
        return [item if isinstance(item, bytes) else str(item).encode() for item in value.value]
    text = value.as_text()
    if text is None:
        return []
    items = split_json(text) if value.kind == "json" else split_text(text)
    return [item.encode("utf-8", "replace") for item in items]


async def _put(service: QueueService, queue: str, text: str) -> None:
    try:
        await service.put(queue, text)
    except NotFound:
        await service.create(queue)
        await service.put(queue, text)
