"""The languages that this host runs."""

from durable_host.config.worker_runtime import DOTNET, NODE, PYTHON
from durable_host.invocation.worker_kind import WorkerKind


def worker_kind_of(runtime: str) -> WorkerKind:
    """The kind of worker for `runtime`, a name from `worker_runtime`. Imports only the module of that language."""
    if runtime == NODE:
        from durable_host.invocation.node_worker import NODE_WORKER

        return NODE_WORKER
    if runtime == DOTNET:
        from durable_host.function_rpc.dotnet_worker import DOTNET_WORKER

        return DOTNET_WORKER
    assert runtime == PYTHON
    from durable_host.invocation.python_worker import PYTHON_WORKER

    return PYTHON_WORKER
