"""`func durable dashboard`: the page of a task hub without a running app."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Func

from durable_host.storage.azurite.launcher import connection_string

HOST_JSON: dict[str, Any] = {"version": "2.0", "extensions": {"durableTask": {"hubName": "Shown"}}}


@contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[str]:
    """The command in a process of its own: the URL below which the API is. Ctrl+C ends it with exit code 0."""
    command = [sys.executable, "-m", "durable_host", "durable", "dashboard", "--output", "json", *arguments]
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the command ended"
        yield json.loads(line)["dashboard_url"] + "api"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def fetched(url: str, body: dict[str, Any] | None = None, token: str = "") -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"X-DF-Token": token})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_a_file_is_shown_and_not_changed(func: Func, folder: Path) -> None:
    durable = {"hubName": "Shown", "storageProvider": {"type": "sqlite", "path": "hub.db"}}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}))
    assert func("durable", "start-new", "--function-name", "Flow", "--id", "one").code == 0
    path = folder / "hub.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    with running(elsewhere, "--path", str(path)) as api:
        _, session = fetched(f"{api}/session")
        assert (session["hub"]["name"], session["isReadOnly"], session["token"]) == ("Shown", True, None)
        assert [one["id"] for one in fetched(f"{api}/instances")[1]["instances"]] == ["one"]
        assert fetched(f"{api}/queues")[1]["queues"][0]["total"] == 1
        status, refusal = fetched(f"{api}/instances/one/terminate", {}, "x" * 43)
        assert (status, refusal["error"]["code"]) == (403, "DH3052")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl+C cannot be sent to one process there")
def test_a_hub_in_an_account_is_shown_and_controlled(func: Func, folder: Path, azurite: Any) -> None:
    (folder / "host.json").write_text(json.dumps(HOST_JSON))
    text = connection_string(azurite)
    settings = {"AzureWebJobsStorage": text}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AzureWebJobsStorage", text)
        assert func("durable", "start-new", "--function-name", "Flow", "--id", "one").code == 0
        with running(folder, "--allow-actions", **settings) as api:
            _, session = fetched(f"{api}/session")
            assert (session["hub"]["storage"], session["isReadOnly"]) == ("azure", False)
            while not (answer := fetched(f"{api}/instances")[1])["isComplete"]:
                pass
            assert [one["id"] for one in answer["instances"]] == ["one"]
            assert fetched(f"{api}/instances/one/terminate", {}, session["token"])[0] == 200
            control = [one for one in fetched(f"{api}/queues")[1]["queues"] if one["role"] == "control"]
            assert sum(one["total"] for one in control) == 2
        assert func("durable", "delete-task-hub").code == 0


def test_a_missing_file_is_an_error(func: Func, folder: Path) -> None:
    outcome = func("durable", "dashboard", "--path", "none.db")
    assert (outcome.code, "DH6301" in outcome.err) == (1, True)
    assert not (folder / "none.db").exists()


def test_a_file_without_a_hub_is_an_error(func: Func, folder: Path) -> None:
    (folder / "text.db").write_text("not a database, but long enough to be read as one" * 100)
    sqlite3.connect(folder / "empty.db").execute("CREATE TABLE x (y)").connection.close()
    assert "DH6304" in func("durable", "dashboard", "--path", "text.db").err
    assert "DH6301" in func("durable", "dashboard", "--path", "empty.db").err


def test_a_path_and_a_connection_are_two_places(func: Func) -> None:
    outcome = func("durable", "dashboard", "--path", "x.db", "--connection-string-setting", "Y")
    assert (outcome.code, "DH1010" in outcome.err) == (2, True)
