"""Runs a queue-triggered function for a message.

Source: docs/protocol/functions-host-queues.md#queue-trigger-metadata,
    docs/protocol/functions-host-queues.md#visibility,
    docs/protocol/functions-host-queues.md#message-encoding
"""

import logging

from durable_host.bindings.accounts import Accounts, account_key
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.queue_text import queue_name
from durable_host.config.extensions import QueueOptions
from durable_host.errors import HostError
from durable_host.invocation.datum import binary, string
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invoker import Invoker
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.storage.queue_xml import QueueMessage
from durable_host.triggers.queue.listener import QueueListener
from durable_host.triggers.queue.message_metadata import message_data, message_details, message_metadata

_log = logging.getLogger("Host.Triggers.Queue")


class MessageIsNotText(HostError):
    """The function takes text, but the message is not UTF-8; the function does not run."""

    code = "DH5052"


HOLD = 600.0
HOLD_ON_DEVELOPMENT_ACCOUNT = 30.0
"""Seconds. Short, because on one machine a crash should not hide messages for ten minutes."""


class QueueTrigger:
    """The trigger of one function; `listener` receives its messages."""

    def __init__(
        self,
        function: FunctionMetadata,
        invoker: Invoker,
        accounts: Accounts,
        options: QueueOptions,
        signals: QueueSignals,
    ) -> None:
        trigger = function.trigger
        account = accounts.account(trigger.text("connection"))
        self.function = function
        self._invoker = invoker
        self._encoding = options.message_encoding
        self._queue = queue_name(trigger.text("queueName") or "")
        self._is_binary = trigger.data_type == "binary"
        self.listener = QueueListener(
            queue=self._queue,
            account=account_key(account),
            service=account.queues,
            options=options,
            signals=signals,
            run=self.run,
            hold=HOLD_ON_DEVELOPMENT_ACCOUNT if account.connection.is_development else HOLD,
        )

    async def run(self, message: QueueMessage, content: bytes) -> None:
        """Run the function. Raises an exception if it fails, which has been logged."""
        text = self._text(message, content)
        metadata = message_metadata(message, text)
        try:
            await self._invoker.invoke(
                self.function,
                trigger_value=binary(content) if self._is_binary else string(text),
                trigger_metadata=metadata,
                binding_data=message_data(metadata, text, self.function.trigger.name),
                reason=f"New queue message detected on '{self._queue}'.",
                details=message_details(message),
            )
        except (FunctionFailed, HostError):
            raise
        except Exception:
            _log.exception("The message '%s' of queue '%s' could not be run.", message.id, self._queue)
            raise

    def _text(self, message: QueueMessage, content: bytes) -> str:
        """The content as text; invalid bytes become U+FFFD if the function takes bytes. Raises MessageIsNotText."""
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            if self._is_binary:
                return content.decode("utf-8", "replace")
            refusal = MessageIsNotText(
                f"The message '{message.id}' of queue '{self._queue}' is not text after decoding from base64, so "
                f"'{self.function.name}' does not run: {untranslatable(error)}",
                remedy='If it was sent as plain text, set "extensions": {"queues": {"messageEncoding": '
                '"none"}} in host.json. To receive bytes, use data_type=func.DataType.BINARY.',
            )
            _log.error(
                "%s: %s %s", refusal.code, refusal.message, refusal.remedy, extra={"function": self.function.name}
            )
            raise refusal from None


def untranslatable(error: UnicodeDecodeError) -> str:
    """The error with the text of .NET."""
    wrong = "".join(f"[{byte:02X}]" for byte in error.object[error.start : error.end])
    return f"Unable to translate bytes {wrong} at index {error.start} from specified code page to Unicode."
