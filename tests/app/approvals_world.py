"""The sample app, and operations that its tests share."""

import shutil
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient
from host_process import HostProcess, until
from npm_packages import NpmPackages
from v2_environment import v2_interpreter

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = ("function_app.py", "functions", "host.json", "requirements.txt")
NODE_SAMPLE = REPOSITORY / "samples" / "node-approvals"
QUEUE = "approval-queue"


def interpreter_options(generation: str) -> tuple[str, ...]:
    """Options of `func start` for the app's environment: this one has the 1.x SDK, another one the 2.x SDK."""
    return () if generation == "1.x" else ("--python", str(v2_interpreter()))


def copy_sample(target: Path) -> Path:
    """A copy of the app at the top of the repository."""
    target.mkdir(parents=True)
    for name in SAMPLE:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    return target


def copy_node_sample(target: Path, packages: NpmPackages) -> Path:
    """A copy of samples/node-approvals, the same workflow in JavaScript, with its packages."""
    shutil.copytree(NODE_SAMPLE, target, ignore=shutil.ignore_patterns("node_modules"))
    return packages.link(target)


def empty_queue(connection_string: str, name: str) -> QueueClient:
    """The queue, there and without messages."""
    queue = QueueClient.from_connection_string(connection_string, name)
    try:
        queue.create_queue()
    except ResourceExistsError:
        queue.clear_messages()
    return queue


def start_approval(host: HostProcess, **fields: object) -> dict[str, str]:
    """The management URLs of a new request."""
    response = host.post("/api/approvals", json={"item": "laptop", "amount": 1800, **fields})
    assert response.status_code == 202, response.text
    return response.json()


def wait_stage(host: HostProcess, instance_id: str, stage: str) -> None:
    until(lambda: (host.status(instance_id).get("customStatus") or {}).get("stage") == stage, host=host)
