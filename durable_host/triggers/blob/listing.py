"""Finds new blobs in the listing of a container, without I/O.

Times have a resolution of one second, and a blob may appear a little after its time. So each scan checks the last
seconds again, and the blobs seen in them are remembered.

Source: docs/protocol/functions-host-blobs.md#scan-for-blobs
"""

from dataclasses import dataclass, field

from durable_host.storage.blobs import BlobProperties
from durable_host.timestamp import TICKS_PER_SECOND

OVERLAP = 30 * TICKS_PER_SECOND


@dataclass(slots=True)
class ContainerProgress:
    """The progress in one container, owned by the scanner. Call `done` for each blob that needs no further check."""

    latest: int = 0
    _recent: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])

    def is_new(self, blob: BlobProperties) -> bool:
        if blob.last_modified < self.latest - OVERLAP:
            return False
        return self._recent.get(blob.name, (0, ""))[1] != blob.etag

    def done(self, blob: BlobProperties) -> None:
        self._recent[blob.name] = (blob.last_modified, blob.etag)

    def advance(self, latest: int) -> None:
        """Complete a scan; `latest` is the latest time in the listing."""
        if latest <= self.latest:
            return
        self.latest = latest
        oldest = latest - OVERLAP
        self._recent = {name: seen for name, seen in self._recent.items() if seen[0] >= oldest}
