"""A client and worker of the plain Durable Task SDK. Prints the orchestrations and activities per second.

The argument is the address of a task hub, or `memory` for the SDK's in-memory backend in this process, as in the SDK's
tests. `memory-server PORT` only serves that backend.
"""

import json
import logging
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from durabletask import task
from durabletask.client import TaskHubGrpcClient
from durabletask.testing import create_test_backend
from durabletask.worker import TaskHubGrpcWorker

from bench.running_host import free_port

INSTANCES = 200
STEPS = 5
ACTIVITIES = 1000
PATIENCE = 300


def echo(context: Any, number: int) -> int:
    return number


def sequence(context: Any, count: int) -> Any:
    total = 0
    for number in range(count):
        total += yield context.call_activity(echo, input=number)
    return total


def fan_out(context: Any, count: int) -> Any:
    results = yield task.when_all([context.call_activity(echo, input=number) for number in range(count)])
    return len(results)


def measure(address: str) -> dict[str, float]:
    """Measure the rates: scenario → rate."""
    logger = logging.getLogger("program")
    logger.setLevel(logging.ERROR)
    with (
        TaskHubGrpcWorker(host_address=address, logger=logger) as worker,
        TaskHubGrpcClient(host_address=address, logger=logger) as client,
    ):
        worker.add_activity(echo)
        for orchestrator in (sequence, fan_out):
            worker.add_orchestrator(orchestrator)
        worker.start()

        def run(orchestrator: Callable[..., Any], count: int, instances: int) -> float:
            begun = time.perf_counter()
            names = [client.schedule_new_orchestration(orchestrator, input=count) for _ in range(instances)]
            for name in names:
                state = client.wait_for_orchestration_completion(name, timeout=PATIENCE)
                if state is None or state.runtime_status.name != "COMPLETED":
                    raise RuntimeError(f"{name} has not completed: {state}")
            return time.perf_counter() - begun

        run(sequence, STEPS, 5)  # warm up
        return {
            "sequences": INSTANCES / run(sequence, STEPS, INSTANCES),
            "fan-out": ACTIVITIES / run(fan_out, ACTIVITIES, 1),
        }


def main() -> None:
    match sys.argv[1:]:
        case ["memory-server", port]:
            create_test_backend(port=int(port))
            signal.sigwait([signal.SIGTERM])
        case ["memory"]:
            port = free_port()
            backend = create_test_backend(port=port)
            print(json.dumps(measure(f"localhost:{port}")))
            backend.stop()
        case [address]:
            print(json.dumps(measure(address)))


if __name__ == "__main__":
    main()
