"""Operations for tests of durable apps: start instances like the SDK, wait for their end, and read storage."""

import json
import re
from collections.abc import Callable
from typing import Any

from azure.data.tables import TableClient
from azure.storage.queue import QueueClient
from host_process import LIMIT, HostProcess, until

StartHost = Callable[..., HostProcess]
"""What the fixture `start_host` gives."""

MANAGEMENT = "/runtime/webhooks/durabletask"

HEADER = """
import json, logging, os, time
from datetime import datetime, timedelta, timezone
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""
"""How the apps of these tests begin."""


def start_instance(host: HostProcess, name: str, input: Any = None, instance_id: str = "", **query: str) -> str:
    """Start as the SDK's client does, the input encoded twice; returns the ID."""
    path = f"{MANAGEMENT}/orchestrators/{name}" + (f"/{instance_id}" if instance_id else "")
    body = "" if input is None else json.dumps(json.dumps(input))
    response = host.post(path, data=body, params=query)
    assert response.status_code == 202, response.text
    return response.json()["id"]


def run(host: HostProcess, name: str, input: Any = None, wanted: str = "Completed", **options: str) -> dict[str, Any]:
    """The status of a new instance, with history, once it is `wanted`."""
    return finished(host, start_instance(host, name, input, **options), wanted)


def finished(host: HostProcess, instance_id: str, wanted: str = "Completed", limit: float = LIMIT) -> dict[str, Any]:
    """The status once the instance has ended; fails if that is not `wanted`."""

    def ended() -> dict[str, Any] | None:
        found = host.status(instance_id)
        return found if found["runtimeStatus"] in {wanted, "Completed", "Failed", "Terminated"} else None

    status = until(ended, limit, host)
    assert status["runtimeStatus"] == wanted, f"{status}\n{host.output}"
    return status


def output(host: HostProcess, name: str, input: Any = None) -> Any:
    """What a new instance returns."""
    return run(host, name, input)["output"]


def raise_event(host: HostProcess, instance_id: str, name: str, data: Any = None) -> None:
    """Data may be falsy."""
    response = host.post(
        f"{MANAGEMENT}/instances/{instance_id}/raiseEvent/{name}",
        data=json.dumps(data),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 202, response.text


def spans_in(host: HostProcess) -> list[dict[str, Any]]:
    """Spans that the console exporter wrote between the host's own lines."""
    decoder, text, found = json.JSONDecoder(), host.output, []
    at = text.find("{\n")
    while at >= 0:
        span, end = decoder.raw_decode(text, at)
        found.append(span)
        at = text.find("{\n", end)
    return found


def wait_custom_status(host: HostProcess, instance_id: str, wanted: Any) -> None:
    until(lambda: host.status(instance_id)["customStatus"] == wanted, host=host)


def hub_of(host: HostProcess) -> str:
    return host.settings["AzureFunctionsJobHost__extensions__durableTask__hubName"]


def history_rows(host: HostProcess, instance_id: str) -> list[dict[str, Any]]:
    """Rows of the History table without the sentinel."""
    with TableClient.from_connection_string(host.settings["AzureWebJobsStorage"], f"{hub_of(host)}History") as table:
        rows = table.query_entities("PartitionKey eq @id", parameters={"id": instance_id})
        return [dict(row) for row in rows if row["RowKey"] != "sentinel"]


def queues_of(host: HostProcess) -> list[QueueClient]:
    """Control queues and the work-item queue."""
    hub = hub_of(host).lower()
    names = [f"{hub}-control-{number:02}" for number in range(4)] + [f"{hub}-workitems"]
    return [QueueClient.from_connection_string(host.settings["AzureWebJobsStorage"], name) for name in names]


def messages_in_hub(host: HostProcess) -> int:
    return sum(queue.get_queue_properties().approximate_message_count or 0 for queue in queues_of(host))


def memory_of(pid: int) -> int:
    """Resident bytes of a process and its children."""
    total = 0
    for one in (pid, *_children(pid)):
        with open(f"/proc/{one}/status", encoding="ascii") as file:
            found = re.search(r"VmRSS:\s+(\d+) kB", file.read())
        total += int(found[1]) * 1024 if found else 0
    return total


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]
