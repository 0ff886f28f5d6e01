"""The lease requests of the blob service in memory."""

from random import Random

from durable_host.testing.memory_storage.memory_blob import MemoryLease
from durable_host.testing.memory_storage.storage_exchange import RequestRefused, StorageAnswer, StorageRequest
from durable_host.timestamp import TICKS_PER_SECOND

_INFINITE = -1


def answer_lease(request: StorageRequest, lease: MemoryLease, now: int, random: Random) -> StorageAnswer:
    """Acquire, renew, change, release or break a lease. Raises RequestRefused."""
    action, id = request.header("x-ms-lease-action"), request.header("x-ms-lease-id") or ""
    proposed = request.header("x-ms-proposed-lease-id")
    if action == "acquire":
        wanted = proposed or _guid(random)
        if lease.holds(now) and lease.id != wanted:
            raise RequestRefused(409, "LeaseAlreadyPresent")
        seconds = int(request.header("x-ms-lease-duration") or _INFINITE)
        if seconds != _INFINITE and not 15 <= seconds <= 60:
            raise RequestRefused(400, "InvalidHeaderValue")
        lease.id, lease.seconds = wanted, seconds
        _extend(lease, now)
        return StorageAnswer(201, {"x-ms-lease-id": lease.id})
    if action == "break":
        if not lease.holds(now):
            raise RequestRefused(409, "LeaseNotPresentWithLeaseOperation")
        lease.until = 0
        return StorageAnswer(202, {"x-ms-lease-time": "0"})
    if lease.id != id:
        raise RequestRefused(409, "LeaseIdMismatchWithLeaseOperation")
    if action == "renew":
        _extend(lease, now)
    elif action == "change":
        lease.id = proposed or lease.id
    elif action == "release":
        lease.id, lease.until = "", 0
        return StorageAnswer(200)
    else:
        raise RequestRefused(400, "InvalidHeaderValue")
    return StorageAnswer(200, {"x-ms-lease-id": lease.id})


def _extend(lease: MemoryLease, now: int) -> None:
    lease.until = None if lease.seconds == _INFINITE else now + lease.seconds * TICKS_PER_SECOND


def _guid(random: Random) -> str:
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
