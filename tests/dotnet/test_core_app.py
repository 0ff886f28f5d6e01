"""A built .NET isolated app with the real worker: its functions without Durable Functions.

The tests are skipped where there is no .NET or no built app.
"""

import base64
import concurrent.futures
import contextlib
import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, ends_of, until
from real_apps import copy_of, runtime_settings
from scripted_hosts import dotnet_settings

pytestmark = pytest.mark.process


class Core:
    """A host with the app, and clients of its storage."""

    def __init__(self, host: HostProcess, connection_string: str) -> None:
        self.host = host
        self.queues = QueueServiceClient.from_connection_string(connection_string)
        self.blobs = BlobServiceClient.from_connection_string(connection_string)

    def put(self, queue: str, text: str) -> None:
        client = self.queues.get_queue_client(queue)
        with contextlib.suppress(ResourceExistsError):
            client.create_queue()
        client.send_message(base64.b64encode(text.encode()).decode())

    def upload(self, name: str, text: str) -> None:
        container = self.blobs.get_container_client("files")
        if not container.exists():
            container.create_container()
        container.upload_blob(name, text, overwrite=True)

    def out(self, wanted: str) -> str:
        """The next message of the queue `out-queue` that contains the text; others with it are deleted."""
        client = self.queues.get_queue_client("out-queue")

        def found() -> str | None:
            for message in client.receive_messages(visibility_timeout=1):
                text = base64.b64decode(message.content).decode("utf-8", "replace")
                if wanted in text:
                    client.delete_message(message)
                    return text
            return None

        return until(found, 30, self.host)


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[Core]:
    settings = {**dotnet_settings(connection_string), **runtime_settings()}
    root = copy_of("core", tmp_path_factory.mktemp("dotnet"))
    host = HostProcess(root, {**settings, "AzureFunctionsJobHost__functionTimeout": "00:00:05"}).start()
    yield Core(host, connection_string)
    assert host.stop() == 0
    host.end()


def test_the_host_names_the_runtime_and_the_functions(core: Core) -> None:
    core.host.wait_for(r"Found \.NET version \d+\.\d+\.\d+")
    core.host.wait_for(r"Echo: \[POST\] http://localhost:\d+/api/echo/\{id:int\}")
    core.host.wait_for("QueueText: queueTrigger")


def test_an_http_function_answers(core: Core) -> None:
    answer = core.host.get("/api/hello/bob")
    assert (answer.status_code, answer.text, answer.headers["X-Sample"]) == (200, "Hello bob", "yes")
    assert core.host.get("/api/hello?name=ann").text == "Hello ann"
    assert core.host.get("/api/hello").text == "Hello nobody"


def test_an_http_function_sees_the_whole_request(core: Core) -> None:
    answer = core.host.post(
        "/api/echo/7?q=a&q=b&e=", data=b'{"k":"v"}', headers={"X-Two": "v1", "Cookie": "a=1; b=2", "Empty": ""}
    )
    assert answer.status_code == 202
    assert answer.headers["Set-Cookie"] == "c1=v1; max-age=60; path=/; httponly"
    seen = answer.json()
    assert (seen["id"], seen["body"], seen["method"]) == (7, '{"k":"v"}', "POST")
    assert seen["url"] == f"{core.host.base_url}/api/echo/7?q=a&q=b&e="
    assert seen["cookies"] == {"a": "1", "b": "2"}
    assert seen["query"] == {"q": "a,b", "e": ""}
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert (headers["x-two"], headers["empty"]) == ("v1", "")
    assert seen["traceParent"].startswith("00-")
    assert seen["retry"] is None


def test_bytes_and_objects_pass(core: Core) -> None:
    content = os.urandom(3_000_000)
    answer = core.host.post("/api/bytes", data=content)
    assert answer.content == content[::-1]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert core.host.post("/api/bytes").content == b""
    answer = core.host.post("/api/poco", json={"name": "n", "count": 1})
    assert (answer.status_code, answer.json()) == (200, {"Name": "n", "Count": 2})


def test_a_failure_is_a_500_with_the_error(core: Core) -> None:
    answer = core.host.get("/api/fails")
    assert answer.status_code == 500
    assert answer.json()["error"] == "System.InvalidOperationException: no luck today"
    core.host.wait_for("Exception: System.InvalidOperationException: no luck today")
    core.host.wait_for(r"   at SampleCore\.HttpFunctions\.Fails")
    assert core.host.post("/api/poco", data=b"{").status_code == 500


def test_several_outputs_are_written(core: Core) -> None:
    answer = core.host.post("/api/multi")
    assert (answer.status_code, answer.text) == (201, "made")
    assert {core.out("one"), core.out("two")} == {"one", "two"}
    (blob, *_) = core.blobs.get_container_client("outbox").list_blobs()
    assert core.blobs.get_blob_client("outbox", blob.name).download_blob().readall() == b"blob text"


def test_queue_messages_arrive_as_text_bytes_and_sdk_type(core: Core) -> None:
    key = uuid.uuid4().hex
    core.put("text-in", f"text {key}")
    text, _, count, at = core.out(f"text {key}").split("/", 3)
    assert (text, count) == (f"text {key}", "1")
    assert at.startswith("20")
    core.put("bytes-in", f"bytes {key}")
    assert core.out(f"bytes {key}") == f"bytes {key}"
    core.put("sdk-in", f"sdk {key}")
    assert json.loads(core.out(f"sdk {key}")) == {"Name": f"sdk {key}", "Count": 1}


def test_blobs_are_read_and_written(core: Core) -> None:
    name = f"{uuid.uuid4().hex}.bin"
    core.upload(name, "some text")
    core.put("blob-names", name)
    copy = core.blobs.get_blob_client("copies", name)
    assert until(lambda: copy.exists() and copy.download_blob().readall(), 30, core.host) == b"SOME TEXT"
    core.put("blob-sdk", name)
    core.host.wait_for(f"sdk blob .*{name}: some text")


def test_a_blob_triggers_a_function(core: Core) -> None:
    name = uuid.uuid4().hex
    core.upload(f"{name}.txt", "new text")
    core.host.wait_for(f"blob {name}: new text", 60)


def test_a_timer_function_is_retried(core: Core) -> None:
    answer = core.host.post("/admin/functions/Tick", json={"input": ""})
    assert answer.status_code == 202
    core.host.wait_for(r"tick past due False, next .*, retry \(null\)")


def test_a_function_that_takes_too_long_restarts_the_worker(core: Core) -> None:
    assert core.host.get("/api/slow").status_code == 500
    core.host.wait_for("Timeout value of 00:00:05 exceeded by function 'Functions.Slow'")
    core.host.wait_for("Restarting worker process")
    assert core.host.get("/api/hello/again").text == "Hello again"


def test_a_client_that_leaves_cancels_the_function(core: Core) -> None:
    with pytest.raises(requests.Timeout):
        requests.get(f"{core.host.base_url}/api/slow", timeout=1)
    core.host.wait_for(r"Executed 'Functions\.Slow' \(Canceled")


def test_a_worker_that_is_killed_is_replaced(core: Core) -> None:
    pids = worker_pids(core.host)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(core.host.get, "/api/slow")
        core.host.wait_for("slow begins")
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        assert slow.result().status_code == 500
    assert core.host.get("/api/hello/again").text == "Hello again"
    assert worker_pids(core.host) != pids


def test_no_worker_survives_a_host_that_is_killed(tmp_path: Path, connection_string: str, core: Core) -> None:
    root = copy_of("core", tmp_path)
    host = HostProcess(root, {**dotnet_settings(connection_string), **runtime_settings()}).start()
    pids = worker_pids(host)
    host.kill()
    until(lambda: ends_of(pids))


def worker_pids(host: HostProcess) -> set[int]:
    processes: list[dict[str, Any]] = host.get("/admin/host/processes").json()["processes"]
    return {one["processId"] for one in processes if one["processName"] != "func"}
