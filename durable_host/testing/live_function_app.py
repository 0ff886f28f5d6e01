"""Tests an app on a real host.

from durable_host.testing import LiveFunctionApp

with LiveFunctionApp("path/of/the/app") as app:
    instance = app.start("BudgetApproval", {"amount": 100})
    app.advance(days=3)
    assert instance.output == {"status": "expired"}
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from durable_host.testing.app_under_test import AppUnderTest
from durable_host.testing.live.live_backend import LiveBackend

__tracebackhide__ = True


class LiveFunctionApp(AppUnderTest):
    """An app in a real `func start`, with an Azurite of its own; both listen on free ports.

    `root` is the app's folder or one below it. `settings` take precedence over the environment and local.settings.json,
    `python` over the app's virtual environment. AzureWebJobsStorage, and every other setting that is a development
    account, refer to the Azurite. A setting that names a real account is refused, unless it is one of
    `real_accounts`. Raises HostError if the host does not start, TypeError if `real_accounts` is a text. Use it as a
    context manager, or close it.

    The time of the host is that of the machine until a test advances it: timers, schedules of functions and retries
    then fire early, one after the other. The visibility of messages in the app's queues and the leases of blobs keep to
    the time of the machine.
    """

    def __init__(
        self,
        root: str | Path = ".",
        *,
        settings: Mapping[str, str] | None = None,
        python: str | Path | None = None,
        real_accounts: Sequence[str] = (),
    ) -> None:
        if isinstance(real_accounts, str):
            raise TypeError(f'real_accounts is a list of names, such as ["{real_accounts}"].')
        path = Path(python).absolute() if python is not None else None
        super().__init__(LiveBackend(Path(root).resolve(), settings or {}, path, real_accounts))
