"""What tests do with hosts of durable Node.js apps."""

import json
from typing import Any

from durable_world import MANAGEMENT, finished
from host_process import HostProcess


def start_node_instance(host: HostProcess, name: str, input: Any = None, instance_id: str = "", **query: str) -> str:
    """Start as the client of durable-functions does, the input encoded once; returns the ID."""
    path = f"{MANAGEMENT}/orchestrators/{name}" + (f"/{instance_id}" if instance_id else "")
    response = host.post(path, data="" if input is None else json.dumps(input), params=query)
    assert response.status_code == 202, response.text
    return response.json()["id"]


def node_output(host: HostProcess, name: str, input: Any = None) -> Any:
    """What a new instance returns."""
    return finished(host, start_node_instance(host, name, input))["output"]


def operate(host: HostProcess, instance_id: str, operation: str, status: int = 202, **query: str) -> Any:
    """One operation of the management API on an instance."""
    response = host.post(f"{MANAGEMENT}/instances/{instance_id}/{operation}", params=query)
    assert response.status_code == status, response.text
    return response.json() if response.text else None
