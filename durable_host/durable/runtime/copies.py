"""Tells copies of a message from repetitions of it. Both occur in one batch, and only copies may be deleted."""

from collections.abc import Iterable

from durable_host.durable.taskhub.port import ReceivedMessage


def split_copies(messages: Iterable[ReceivedMessage]) -> tuple[list[ReceivedMessage], list[ReceivedMessage]]:
    """Return each message once, and the copies of earlier ones.

    A copy was duplicated by the transport, or sent again after a crash. A message is repeated if a release of its batch
    failed after it was delivered again. It keeps its place, and its last delivery is returned.
    """
    deliveries = {received.id: received for received in messages}
    seen: set[str] = set()
    once: list[ReceivedMessage] = []
    copies: list[ReceivedMessage] = []
    for received in deliveries.values():
        identity = received.message.id
        if identity is not None and identity in seen:
            copies.append(received)
            continue
        once.append(received)
        if identity is not None:
            seen.add(identity)
    return once, copies
