"""Marks a lease with the process that holds it, so that the lease of a process that died is not waited for.

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
    """A process of some machine, and the ID of the lease that it took."""

    machine: str
    process: int
    began: str
    lease_id: str

    def metadata(self) -> dict[str, str]:
        """As metadata of the leased blob."""
        return {_MACHINE: self.machine, _PROCESS: str(self.process), _BEGAN: self.began, _LEASE: self.lease_id}

    @property
    def is_dead(self) -> bool:
        """True only when the process was one of this machine and surely does not run any more."""
        if self.machine != this_machine():
            return False
        return not is_alive(self.process) or (bool(self.began) and _began(self.process) not in ("", self.began))


def this_owner(lease_id: str) -> LocalOwner:
    """This process as the holder of a lease."""
    return LocalOwner(this_machine(), os.getpid(), _began(os.getpid()), lease_id)


def owner_of(metadata: Mapping[str, str]) -> LocalOwner | None:
    """Who marked the blob; None for a lease that another kind of host took."""
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
    """Tells apart machines, boots, and containers with process IDs of their own."""
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
    """When a process began, in the system's own terms; empty where it does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return fields[19]
    except (OSError, IndexError):
        return ""
