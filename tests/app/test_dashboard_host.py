"""The dashboard of a running `func start`: live, over a reload, until the host stops."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from host_process import LIMIT, HostProcess, until, write_app

PAGE = "http://localhost:3000"
APP = """
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def Waits(context):
    yield context.call_activity("Say", "hello")
    yield context.wait_for_external_event("Go")


@app.activity_trigger(input_name="text")
def Say(text: str) -> str:
    return text
"""
MORE = """

@app.activity_trigger(input_name="text")
def More(text: str) -> str:
    return text
"""
HOST_JSON = {
    "version": "2.0",
    "extensions": {
        "durableTask": {"storageProvider": {"type": "sqlite"}},
        "http": {"customHeaders": {"Content-Security-Policy": "script-src *"}},
    },
}


class Stream:
    """The events of an open page, read in a thread."""

    def __init__(self, host: HostProcess) -> None:
        self.events: list[tuple[str, Any]] = []
        self.has_ended = threading.Event()
        self._response = requests.get(f"{host.base_url}/_df/api/changes", stream=True, timeout=LIMIT)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        name = ""
        try:
            for raw in self._response.iter_lines(chunk_size=1):
                line = raw.decode()
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line.removeprefix("data: "))))
        except requests.RequestException:
            pass
        self.has_ended.set()

    def has(self, name: str, after: int = 0) -> bool:
        return any(event == name for event, _ in self.events[after:])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    files = {"function_app.py": APP, "host.json": json.dumps(HOST_JSON)}
    folder = write_app(tmp_path_factory.mktemp("dashboard"), files)
    host = HostProcess(folder, {"FUNCTIONS_WORKER_RUNTIME": "python"})
    yield host.start("--cors", PAGE)
    host.end()


def api(host: HostProcess, path: str) -> Any:
    return host.get(f"/_df/api{path}").json()


def do(host: HostProcess, path: str, body: Any = None) -> requests.Response:
    token = api(host, "/session")["token"]
    return host.post(f"/_df/api{path}", json=body or {}, headers={"X-DF-Token": token})


def test_the_summary_names_the_dashboard(host: HostProcess) -> None:
    host.wait_for(rf"Dashboard: {host.base_url}/_df$")
    assert host.get("/_df/").headers["Content-Type"] == "text/html; charset=utf-8"


def test_the_session_names_the_app_and_its_hub(host: HostProcess) -> None:
    session = api(host, "/session")
    assert session["app"] == {"folder": str(host.root), "language": "python"}
    assert session["hub"]["storage"] == "sqlite"
    assert Path(session["hub"]["account"]).name.endswith(".db")


@pytest.mark.differs("dashboard-paths")
def test_cors_and_custom_headers_of_the_app_are_not_for_the_dashboard(host: HostProcess) -> None:
    foreign = {"Origin": PAGE}
    refused = host.get("/_df/api/session", headers=foreign)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "DH3050")
    assert "Access-Control-Allow-Origin" not in refused.headers
    asking = {**foreign, "Access-Control-Request-Method": "POST"}
    preflight = host.request("OPTIONS", "/_df/api/batch", headers=asking)
    assert preflight.status_code == 403
    assert "Access-Control-Allow-Origin" not in preflight.headers
    assert "script-src *" not in host.get("/_df/").headers["Content-Security-Policy"]


def test_an_open_page_follows_an_instance_from_start_to_end(host: HostProcess) -> None:
    stream = Stream(host)
    until(lambda: stream.has("hub"), host=host)
    assert do(host, "/instances", {"name": "Waits", "id": "followed"}).status_code == 201
    until(lambda: any("followed" in data.get("ids", ()) for _, data in stream.events), host=host)
    host.wait_status("followed", "Running")
    (listed,) = api(host, "/instances?prefix=followed")["instances"]
    assert (listed["status"], listed["name"]) == ("Running", "Waits")
    assert do(host, "/instances/followed/raise-event", {"name": "Go", "data": "1"}).status_code == 200
    until(lambda: api(host, "/instances?prefix=followed")["instances"][0]["status"] == "Completed", host=host)
    hub = api(host, "/hub")
    assert (hub["partitions"][0]["isOwn"], hub["sessionLimit"], hub["pages"]) == (True, 500, 1)
    assert hub["memoryBytes"] is None or hub["memoryBytes"] > 1_000_000


def test_the_invocations_of_an_activity_are_listed(host: HostProcess) -> None:
    do(host, "/instances", {"name": "Waits", "id": "invoked"})
    until(lambda: api(host, "/functions/Say/invocations")["invocations"], host=host)
    latest = api(host, "/functions/Say/invocations")["invocations"][0]
    assert (latest["ok"], latest["instanceId"] in ("followed", "invoked")) == (True, True)
    assert do(host, "/functions/say/run", {"input": '"x"'}).json()["ok"]


def test_a_reload_reaches_an_open_page(host: HostProcess) -> None:
    stream = Stream(host)
    until(lambda: stream.has("hub"), host=host)
    before = len(stream.events)
    (host.root / "function_app.py").write_text(APP + MORE, "utf-8")
    until(lambda: "More" in [one["name"] for one in api(host, "/functions")["functions"]], host=host)
    until(lambda: stream.has("functions", before), host=host)
    do(host, "/instances", {"name": "Waits", "id": "after-reload"})
    until(lambda: any("after-reload" in data.get("ids", ()) for _, data in stream.events), host=host)


@pytest.mark.differs("dashboard-paths")
def test_without_the_dashboard_its_paths_belong_to_functions(tmp_path: Path) -> None:
    code = APP + '\n\n@app.route(route="_df")\ndef mine(req: func.HttpRequest) -> str:\n    return "mine"\n'
    settings = {"version": "2.0", "extensions": {**HOST_JSON["extensions"], "http": {"routePrefix": ""}}}  # type: ignore[dict-item]
    host = HostProcess(
        write_app(tmp_path / "app", {"function_app.py": code, "host.json": json.dumps(settings)}),
        {"FUNCTIONS_WORKER_RUNTIME": "python"},
    )
    try:
        host.start("--no-dashboard")
        assert host.get("/_df").text == "mine"
        assert host.get("/_df/api/session").status_code == 404
        assert "Dashboard:" not in host.output
    finally:
        host.end()


def test_open_pages_do_not_delay_the_end_of_the_host(tmp_path: Path) -> None:
    host = HostProcess(
        write_app(tmp_path / "app", {"function_app.py": APP, "host.json": json.dumps(HOST_JSON)}),
        {"FUNCTIONS_WORKER_RUNTIME": "python"},
    )
    try:
        host.start()
        streams = [Stream(host) for _ in range(3)]
        until(lambda: all(stream.has("hub") for stream in streams), host=host)
        assert host.stop() == 0
        assert all(stream.has_ended.wait(LIMIT) for stream in streams)
    finally:
        host.end()
