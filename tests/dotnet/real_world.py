"""A host of a real .NET app: how tests start approvals, decide on them, and find the worker's process."""

import base64
import json
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient
from host_process import HostProcess, until

QUEUE = "approvals"


def approvals_queue(connection_string: str) -> QueueClient:
    """The queue of decisions, there and empty."""
    queue = QueueClient.from_connection_string(connection_string, QUEUE)
    try:
        queue.create_queue()
    except ResourceExistsError:
        queue.clear_messages()
    return queue


def decide(queue: QueueClient, instance_id: str, approved: bool) -> None:
    """Put the decision as another client does: JSON in base64."""
    text = json.dumps({"InstanceId": instance_id, "Approved": approved})
    queue.send_message(base64.b64encode(text.encode()).decode())


def start_budget(host: HostProcess, title: str = "Desk", amount: float = 12.5) -> str:
    """The ID of a new approval."""
    response = host.post("/api/budget", json={"title": title, "amount": amount})
    assert response.status_code == 202, response.text
    return response.json()["Id"]


def manage(host: HostProcess, operation: str, instance_id: str, body: str | None = None) -> str:
    """The answer of the function that calls the durable client."""
    response = host.post(f"/api/manage/{operation}/{instance_id}", data=body)
    assert response.status_code == 200, f"{response.status_code} {response.text}\n{host.output}"
    return response.text


def events(status: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [event for event in status.get("historyEvents") or () if event["EventType"] == kind]


def workers_of(host: HostProcess, program: str = "dotnet") -> list[int]:
    """The processes that the host has started with this program."""
    return [pid for pid in _descendants(host.pid) if Path(_first_argument(pid)).name == program]


def worker_of(host: HostProcess, program: str = "dotnet") -> int:
    found = until(lambda: workers_of(host, program), host=host)
    return found[0]


def _descendants(pid: int) -> list[int]:
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return children + [one for child in children for one in _descendants(child)]


def _first_argument(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""
