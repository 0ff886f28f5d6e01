"""What the dashboard needs from its surroundings: a running host, or a task hub without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.config import HostConfig
from durable_host.config.durable import DurableOptions
from durable_host.durable.api import DurableClient
from durable_host.durable.runtime import LiveInstances
from durable_host.durable.runtime.runtime import DurableRuntime
from durable_host.durable.user_code import UserCode
from durable_host.invocation.instance_log import InstanceLog
from durable_host.invocation.invoker import Invoker
from durable_host.storage import StorageAccount
from durable_host.web.function_json import DescribedFunction
from durable_host.web.manual_invocation import ManualInvocation


class HubSource(msgspec.Struct, frozen=True, kw_only=True):
    """A task hub. `account` is for people: the name of the storage account, or the path of the file.

    `runtime`, `live` and `code` are None if no host in this process serves the hub. `queues` is the account with the
    hub's queues; None for a hub in a file.
    """

    storage: Literal["azure", "sqlite"]
    account: str
    is_development: bool
    client: DurableClient
    options: DurableOptions
    runtime: DurableRuntime | None = None
    live: LiveInstances | None = None
    code: UserCode | None = None
    queues: StorageAccount | None = None

    @property
    def can_fire_timers(self) -> bool:
        """Whether a timer may be set to fire now: only where nothing but development happens."""
        return self.storage == "sqlite" or self.is_development


class AppSource(msgspec.Struct, frozen=True, kw_only=True):
    """The app that a running host serves. The callables return the current state, which a reload replaces.

    `functions` describes the functions for a base URL of the host. `notify` makes a listener look at its queue at once.
    """

    folder: Path
    language: str
    config: Callable[[], HostConfig]
    functions: Callable[[str], list[DescribedFunction]]
    invoker: Invoker
    manual: ManualInvocation
    notify: Callable[[str, str], None] = lambda account, queue: None


class DashboardSources(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the dashboard shows. `hub` returns None while the app has no durable functions.

    `accounts` has the storage accounts of the app's connections. `started` is `time.monotonic` at the start of this
    process. `log` has the log lines of instances, None where no app runs.
    """

    hub: Callable[[], HubSource | None]
    app: AppSource | None
    accounts: Callable[[], Accounts]
    is_read_only: bool
    started: float
    log: InstanceLog | None = None
