"""Notifies blob triggers of blobs that this process writes."""

from collections.abc import Callable

Notified = Callable[[str, str], None]
"""Called with the container and the name of a blob."""


class BlobSignals:
    """Listeners for blobs that this process has written, by blob endpoint."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Notified]] = {}

    def subscribe(self, endpoint: str, notified: Notified) -> None:
        self._listeners.setdefault(endpoint, []).append(notified)

    def unsubscribe(self, endpoint: str, notified: Notified) -> None:
        self._listeners.get(endpoint, []).remove(notified)

    def notify(self, endpoint: str, container: str, name: str) -> None:
        """Notify the listeners that a blob was written."""
        for notified in self._listeners.get(endpoint, ()):
            notified(container, name)
