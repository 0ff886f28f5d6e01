"""The scenarios with the Durable Task SDK and its in-memory backend, as in the tests of apps. Prints the figures."""

import json
import logging
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from durabletask import task
from durabletask.client import TaskHubGrpcClient
from durabletask.testing import create_test_backend
from durabletask.worker import TaskHubGrpcWorker

PATIENCE = 140
stamps: dict[str, int] = {}


def echo(_: Any, number: int) -> int:
    return number


def stamp(_: Any, name: str) -> None:
    stamps[name] = time.time_ns()


def sequence(context: Any, count: int) -> Any:
    value = 0
    for _ in range(count):
        value = yield context.call_activity(echo, input=value)
    return value


def fan_out(context: Any, count: int) -> Any:
    results = yield task.when_all([context.call_activity(echo, input=number) for number in range(count)])
    return len(results)


def approval(context: Any, _: Any) -> Any:
    yield context.wait_for_external_event("Go")
    yield context.call_activity(stamp, input=context.instance_id)


def measure(client: TaskHubGrpcClient, sizes: dict[str, int]) -> dict[str, float]:
    def run(orchestrator: Callable[..., Any], count: int, instances: int) -> float:
        begun = time.perf_counter()
        names = [client.schedule_new_orchestration(orchestrator, input=count) for _ in range(instances)]
        for name in names:
            wait(name)
        return time.perf_counter() - begun

    def wait(name: str) -> None:
        state = client.wait_for_orchestration_completion(name, timeout=PATIENCE)
        if state is None or state.runtime_status.name != "COMPLETED":
            raise RuntimeError(f"{name} has not completed: {state}")

    def event() -> float:
        name = client.schedule_new_orchestration(approval)
        client.wait_for_orchestration_start(name, timeout=PATIENCE)
        begun = time.time_ns()
        client.raise_orchestration_event(name, "Go")
        wait(name)
        return (stamps[name] - begun) / 1e6

    run(sequence, sizes["steps"], 5)  # warm up
    figures = {
        "sequences": max(
            sizes["instances"] / run(sequence, sizes["steps"], sizes["instances"]) for _ in range(sizes["samples"])
        ),
        "fan-out": sizes["activities"] / run(fan_out, sizes["activities"], 1),
    }
    if sizes["large"]:
        figures["large"] = sizes["large"] / run(fan_out, sizes["large"], 1)
    figures["chain"] = run(sequence, sizes["chain"], 1) / sizes["chain"] * 1000
    figures["event"] = statistics.median(event() for _ in range(sizes["events"]))
    return figures


def main() -> None:
    sizes, _, port = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    logger = logging.getLogger("peer")
    logger.setLevel(logging.ERROR)
    backend = create_test_backend(port=port)
    address = f"localhost:{port}"
    with (
        TaskHubGrpcWorker(host_address=address, logger=logger) as worker,
        TaskHubGrpcClient(host_address=address, logger=logger) as client,
    ):
        for activity in (echo, stamp):
            worker.add_activity(activity)
        for orchestrator in (sequence, fan_out, approval):
            worker.add_orchestrator(orchestrator)
        worker.start()
        print(json.dumps(measure(client, sizes)))
    backend.stop()


if __name__ == "__main__":
    main()
