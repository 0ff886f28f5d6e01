"""Encodes and decodes queue messages, and checks queue names.

Source: docs/protocol/functions-host-queues.md#queue-names, docs/protocol/functions-host-queues.md#message-encoding
"""

import base64
import binascii
import re

_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


class InvalidQueueName(ValueError):
    """The name is not valid for an Azure Storage queue."""


class UndecodableMessage(ValueError):
    """The message is not base64 although `messageEncoding` says so."""


def queue_name(text: str) -> str:
    """The lower-case name. Raises `InvalidQueueName`."""
    name = text.lower()
    if not _NAME.fullmatch(name):
        raise InvalidQueueName(
            f"'{text}' is not a valid queue name: it takes 3 to 63 lower-case letters, digits and single dashes, "
            "with a letter or digit at both ends."
        )
    return name


def decode(text: str, encoding: str) -> bytes:
    """The content of a received message. `encoding` is `base64` or `none`. Raises `UndecodableMessage`."""
    if encoding == "none":
        return text.encode()
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableMessage(str(error)) from None


def encode(content: bytes, encoding: str) -> str:
    """The text to store. Raises UnicodeDecodeError for bytes that are not UTF-8 when the encoding is `none`."""
    return content.decode() if encoding == "none" else base64.b64encode(content).decode("ascii")
