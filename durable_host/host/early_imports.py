"""Imports what a durable app needs in the host while the worker loads the app, before the host knows its functions.

A wrong guess only costs the time, which would have passed unused.
"""

import threading
from contextlib import suppress

from durable_host.config import HostConfig
from durable_host.host.threaded_imports import import_in_turn
from durable_host.invocation.worker_options import WorkerOptions

_SDK = "durable_functions"
_V2_FILES = (
    "lib/python3*/site-packages/azure_functions_durable-2*.dist-info",
    "Lib/site-packages/azure_functions_durable-2*.dist-info",
)
"""Below the folder of a virtual environment; the second one on Windows."""
_OF_V2 = "durable_host.durable.sidecar.service"


def probable_imports(config: HostConfig, worker: WorkerOptions) -> tuple[str, ...]:
    """The modules that this host will probably need; none if the app's script does not name the durable SDK."""
    try:
        if _SDK not in (worker.root / worker.script).read_text("utf-8", "replace"):
            return ()
    except OSError:
        return ()
    from durable_host.host.hub_opening import adapter_module

    environment = worker.executable.parent.parent
    has_v2 = any(True for pattern in _V2_FILES for _ in environment.glob(pattern))
    return (adapter_module(config), _OF_V2) if has_v2 else (adapter_module(config),)


def begin_imports(config: HostConfig, worker: WorkerOptions) -> None:
    """Import them in a thread."""

    def run() -> None:
        with suppress(Exception):  # Whoever needs a module imports it again, and reports the error.
            for module in probable_imports(config, worker):
                import_in_turn(module)

    threading.Thread(target=run, name="early imports", daemon=True).start()
