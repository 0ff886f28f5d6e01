"""A killed host: Azurite saves its data and ends, and the next host uses the data."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from durable_host.config.connection import Connection
from durable_host.storage import StorageAccount
from durable_host.storage.azurite import AzuriteProcess, ensure_azurite, free_connection, probe
from durable_host.storage.azurite.note import is_alive, read_note

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")]

HOST = """
import sys
from pathlib import Path
import msgspec
from durable_host.config.connection import Connection
from durable_host.storage.azurite import ensure_azurite

connection = msgspec.json.decode(sys.argv[1], type=Connection)
azurite = ensure_azurite(connection, data_dir=Path(sys.argv[2]), mode="auto", report=lambda text: None)
print(azurite.pid, flush=True)
sys.stdin.read()
"""


def start_host(connection: Connection, data: Path) -> tuple["subprocess.Popen[str]", int]:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST, msgspec.json.encode(connection).decode(), str(data)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    return host, int(host.stdout.readline())


def kill(host: "subprocess.Popen[str]") -> None:
    host.send_signal(signal.SIGKILL)
    host.wait()
    for stream in (host.stdin, host.stdout):
        assert stream is not None
        stream.close()


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 30
    while is_alive(pid):
        assert time.monotonic() < deadline, "Azurite outlived its host"
        time.sleep(0.01)


def test_azurite_ends_when_its_host_is_killed(tmp_path: Path) -> None:
    connection = free_connection()
    host, pid = start_host(connection, tmp_path)
    assert probe(connection).is_ready
    note = read_note(tmp_path)
    assert note is not None
    assert (note.pid, note.host) == (pid, host.pid)
    kill(host)
    await_end(pid)
    assert probe(connection).is_silent
    assert read_note(tmp_path) is None


def test_azurite_outlives_a_host_that_was_only_interrupted_in_its_terminal(tmp_path: Path) -> None:
    connection = free_connection()
    host, pid = start_host(connection, tmp_path)
    assert os.getsid(pid) != os.getsid(host.pid)
    kill(host)
    await_end(pid)


async def test_a_host_started_right_after_the_kill_finds_every_acknowledged_write(tmp_path: Path) -> None:
    connection = free_connection()
    host, pid = start_host(connection, tmp_path)
    count = 200
    async with StorageAccount(connection) as account:
        await account.queues.create("acknowledged")
        await account.tables.create_table("Acknowledged")
        for number in range(count):
            await account.queues.put("acknowledged", "x" * 5000)
            await account.tables.insert("Acknowledged", {"PartitionKey": "p", "RowKey": f"{number}", "t": "x" * 5000})
    kill(host)
    reports: list[str] = []
    azurite = ensure_azurite(connection, data_dir=tmp_path, mode="auto", report=reports.append)
    assert isinstance(azurite, AzuriteProcess)
    assert not is_alive(pid)
    try:
        async with StorageAccount(connection) as account:
            assert await account.queues.message_count("acknowledged") == count
            assert len([row async for row in account.tables.query_all("Acknowledged", select=["RowKey"])]) == count
    finally:
        azurite.stop()


def test_a_note_left_behind_by_a_hard_kill_holds_nobody_up(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    this_test = Path("/proc/self").resolve().name if Path("/proc/self").exists() else "1"
    for pid in (ended.pid, int(this_test)):
        (tmp_path / "azurite.running.json").write_text(f'{{"pid": {pid}, "host": {ended.pid}}}', "utf-8")
        azurite = ensure_azurite(free_connection(), data_dir=tmp_path, mode="auto", report=lambda _: None)
        assert isinstance(azurite, AzuriteProcess)
        azurite.stop()
    (tmp_path / "azurite.running.json").write_text("{", "utf-8")
    assert read_note(tmp_path) is None
