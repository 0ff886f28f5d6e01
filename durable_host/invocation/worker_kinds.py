"""The languages that this host runs."""

from durable_host.config.worker_runtime import NODE, PYTHON
from durable_host.invocation.worker_kind import WorkerKind


def worker_kind_of(runtime: str) -> WorkerKind:
    """How workers of a language are run (`runtime` as in `worker_runtime`). No other language is imported."""
    if runtime == NODE:
        from durable_host.invocation.node_worker import NODE_WORKER

        return NODE_WORKER
    assert runtime == PYTHON
    from durable_host.invocation.python_worker import PYTHON_WORKER

    return PYTHON_WORKER
