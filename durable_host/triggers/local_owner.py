"""Records the process that holds a lease, so that nobody waits for the lease of a dead process.

Source: docs/protocol/functions-host.md#leases
"""

import contextlib
import hashlib
import os
import platform
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from durable_host.storage.azurite.note import is_alive

_MACHINE, _PROCESS, _BEGAN, _LEASE = "OwnerMachine", "OwnerProcess", "OwnerBegan", "OwnerLease"


class LocalOwner(msgspec.Struct, frozen=True):
    """A process, its machine, and the ID of its lease."""

    machine: str
    process: int
    began: str
    lease_id: str

    def metadata(self) -> dict[str, str]:
        """The owner as metadata of the leased blob."""
        return {_MACHINE: self.machine, _PROCESS: str(self.process), _BEGAN: self.began, _LEASE: self.lease_id}

    @property
    def is_dead(self) -> bool:
        """True only if the process was on this machine and certainly no longer runs."""
        if self.machine != this_machine():
            return False
        return not is_alive(self.process) or (bool(self.began) and _began(self.process) not in ("", self.began))


def this_owner(lease_id: str) -> LocalOwner:
    """This process as the owner of a lease."""
    return LocalOwner(this_machine(), os.getpid(), _began(os.getpid()), lease_id)


def owner_of(metadata: Mapping[str, str]) -> LocalOwner | None:
    """The owner in the blob's metadata; None for a lease of another kind of host."""
    found = {name.lower(): value for name, value in metadata.items()}
    try:
        return LocalOwner(
            found[_MACHINE.lower()],
            int(found[_PROCESS.lower()]),
            found.get(_BEGAN.lower(), ""),
            found[_LEASE.lower()],
        )
    except (KeyError, ValueError):
        return None


@lru_cache(maxsize=1)
def this_machine() -> str:
    """An ID that differs between machines, boots, and containers with their own process IDs."""
    parts = [platform.node(), sys.platform]
    for path in ("/proc/sys/kernel/random/boot_id", "/etc/machine-id"):
        try:
            parts.append(Path(path).read_text("ascii", "replace").strip())
            break
        except OSError:
            continue
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _began(process: int) -> str:
    """The start of a process in a system-specific format; empty if the system does not provide it."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return fields[19]
    except (OSError, IndexError):
        return ""
