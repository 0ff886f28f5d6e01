"""The faults of one run of the host."""

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from typing import cast

from durable_host.chaos.chaos_hub import ChaosHub, SearchableChaosHub
from durable_host.chaos.fault import Fault, FaultKind
from durable_host.chaos.faulty_session import FaultySession
from durable_host.chaos.injector import FaultCounts, SeededInjector
from durable_host.chaos.message_words import InstanceNames
from durable_host.chaos.spec import ChaosSpec
from durable_host.chaos.what_became import what_became
from durable_host.clock import Clock
from durable_host.config.connection import Connection
from durable_host.durable.taskhub.port import SearchableHub, TaskHub, TaskHubUnavailable
from durable_host.invocation.kills import Kill
from durable_host.storage.account import StorageAccount
from durable_host.storage.transport import AccountSession

_log = logging.getLogger("Host.Chaos")
_MOST_AFFECTED = 200
_PATIENCE = 4.0
_CONNECTIONS = 16
_KEEPALIVE = 600.0


class Chaos:
    """Injects faults between `begin` and `end`, and logs each one. It is an `Injector`.

    The host starts and stops without faults.
    """

    def __init__(self, rates: ChaosSpec, seed: int) -> None:
        self.spec = rates
        self.seed = seed
        self._injector = SeededInjector(rates, seed, self._injected)
        self._names = InstanceNames()
        self._counts = FaultCounts()
        self._affected: OrderedDict[str, None] = OrderedDict()
        self._hub: TaskHub | None = None
        self._is_on = False

    def __str__(self) -> str:
        return f"{self.spec} --chaos-seed {self.seed}"

    def begin(self) -> None:
        """Inject faults from now on."""
        self._is_on = True

    async def end(self) -> None:
        """Inject no more faults. Log how many there were, and what became of their instances."""
        if not self._is_on:
            return
        self._is_on = False
        _log.warning("Chaos ends after %s. To repeat these faults: --chaos %s", self._counts, self)
        if self._hub is not None and self._affected:
            with suppress(TimeoutError, TaskHubUnavailable):
                async with asyncio.timeout(_PATIENCE):
                    _log.warning("Chaos: %s", await what_became(self._affected, self._hub))

    def happens(self, kind: FaultKind, target: str, *, instance_id: str = "") -> Fault | None:
        """See `Injector.happens`."""
        return self._injector.happens(kind, target, instance_id=instance_id) if self._is_on else None

    def delay(self, target: str, *, instance_id: str = "") -> float:
        """See `Injector.delay`."""
        return self._injector.delay(target, instance_id=instance_id) if self._is_on else 0.0

    def wrap_hub(self, hub: TaskHub, clock: Clock) -> TaskHub:
        """Return the hub with faults. In Azure Storage, requests fail in place of calls of the hub."""
        self._hub = hub
        is_embedded = isinstance(hub, SearchableHub)
        kind = SearchableChaosHub if is_embedded else ChaosHub
        return kind(hub, self, clock, self._names, fails=is_embedded)

    def open_account(self, connection: Connection) -> StorageAccount:
        """Open a storage account. Requests to a development account may fail."""
        if not connection.is_development or self.spec.storage_errors <= 0:
            return StorageAccount(connection)
        session = FaultySession(AccountSession(_CONNECTIONS, _KEEPALIVE), self, self._names)
        return StorageAccount(connection, session=session)

    def kills(self, function: str, instance_id: str | None) -> Kill | None:
        """Decide whether a call of a function kills its worker process."""
        owner = f" of instance '{self._names.name(instance_id)}'" if instance_id else ""
        fault = self.happens("kill-worker", f"function '{function}'{owner}", instance_id=instance_id or "")
        return None if fault is None else cast("Kill", fault.variant)

    def _injected(self, fault: Fault) -> None:
        self._counts.add(fault)
        if fault.instance_id and not fault.instance_id.startswith("@"):
            self._affected[fault.instance_id] = None
            self._affected.move_to_end(fault.instance_id)
            if len(self._affected) > _MOST_AFFECTED:
                self._affected.popitem(last=False)
        _log.warning("Chaos: %s", fault.text, extra={"instance_id": fault.instance_id} if fault.instance_id else None)
