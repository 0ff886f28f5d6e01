"""A working folder for each page, on the session's Azurite; pages about the sample app share one host."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueClient
from doc_console import DEFAULT_HUB, Desk, Host, new_hub
from doc_pages import ROOT

SAMPLE = ("function_app.py", "functions", "host.json", "requirements.txt")
SAMPLE_HUB = "Approvals"

OpenDesk = Callable[..., Desk]


@pytest.fixture(scope="module")
def sample_host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[tuple[Desk, Host]]:
    """A host that serves the sample app, and the desk that started it."""
    home = tmp_path_factory.mktemp("sample")
    app = copy_sample(home / "app")
    desk = Desk(home, app, connection_string, hub=new_hub(), shown_hub=SAMPLE_HUB)
    try:
        yield desk, desk.start("func start")
    finally:
        desk.close()


@pytest.fixture
def sample_desk(tmp_path: Path, connection_string: str, sample_host: tuple[Desk, Host]) -> Iterator[Desk]:
    """A desk in the folder of the running sample app; the queue of approvals does not exist."""
    started, host = sample_host
    for queue in ("approval-queue", "approval-queue-poison"):
        try:
            QueueClient.from_connection_string(connection_string, queue).delete_queue()
        except ResourceNotFoundError:
            continue
    desk = started.beside(tmp_path, host)
    yield desk
    desk.close()


@pytest.fixture
def empty_desk(tmp_path: Path, connection_string: str) -> Iterator[Desk]:
    """A desk in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    desk = Desk(tmp_path, folder, connection_string, hub=new_hub(), shown_hub=DEFAULT_HUB)
    yield desk
    desk.close()


@pytest.fixture
def copy_desk(tmp_path: Path, connection_string: str) -> Iterator[Desk]:
    """A desk in a copy of the sample app that no host runs yet."""
    app = copy_sample(tmp_path / "app")
    desk = Desk(tmp_path, app, connection_string, hub=new_hub(), shown_hub=SAMPLE_HUB)
    yield desk
    desk.close()


def copy_sample(target: Path) -> Path:
    target.mkdir()
    for name in SAMPLE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    return target
