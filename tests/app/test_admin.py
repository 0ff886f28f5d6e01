"""The routes below `/admin/`.

Source: docs/protocol/functions-host-admin.md#host-operations,
    docs/protocol/functions-host-admin.md#function-objects,
    docs/protocol/functions-host-admin.md#manual-invocation
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import requests
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from host_process import HostProcess, ends_of, hub_settings, until, write_app

StartHost = Callable[..., HostProcess]

APP = """
import json
import os
import threading

import azure.durable_functions as df
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="Hello/{name?}", methods=["GET", "POST"])
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello " + req.get_body().decode(), status_code=203)


@app.timer_trigger(arg_name="t", schedule="0 0 0 1 1 *")
def tick(t: func.TimerRequest) -> None:
    print(f"ticked, past due {t.past_due}")


@app.queue_trigger(arg_name="msg", queue_name="by-hand", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="by-hand-out", connection="AzureWebJobsStorage")
def queued(msg: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(msg.get_body().decode() + "!")


@app.blob_trigger(arg_name="blob", path="by-hand/{name}.txt", connection="AzureWebJobsStorage")
def blobbed(blob: func.InputStream) -> None:
    print(f"{blob.name} holds {blob.read().decode()}")


@app.activity_trigger(input_name="given")
def act(given: dict) -> dict:
    return {"given": given}


@app.orchestration_trigger(context_name="context")
def orchestrate(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("act", {}))


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext):
    context.set_state(1)


@app.warm_up_trigger("warm")
def warmed(warm) -> None:
    print("warm")


@app.route(route="waits")
def waits(req: func.HttpRequest) -> str:
    print("waits now")
    while not os.path.exists("go-on"):
        threading.Event().wait(0.02)
    return "waited"


@app.route(route="fails")
def fails(req: func.HttpRequest) -> str:
    raise ValueError("boom")


@app.service_bus_queue_trigger(arg_name="message", queue_name="q", connection="Bus")
def not_served(message: func.ServiceBusMessage) -> None:
    pass
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    files = {
        "function_app.py": APP,
        "host.json": json.dumps(
            {
                "version": "2.0",
                "extensions": {"queues": {"messageEncoding": "none"}},
                "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"},
            }
        ),
    }
    host = HostProcess(write_app(tmp_path_factory.mktemp("admin"), files), hub_settings(connection_string))
    yield host.start()
    host.end()


def invoke(host: HostProcess, name: str, text: str | None = None) -> dict:
    body = {} if text is None else {"input": text}
    response = host.post(f"/admin/functions/{name}?wait=true", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_status_ping_config_and_processes_tell_about_the_host(host: HostProcess) -> None:
    status = host.get("/admin/host/status").json()
    assert status["state"] == "Running"
    assert status["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert status["processUptime"] > 0
    assert set(status) >= {"id", "version", "versionDetails", "platformVersion", "instanceId", "computerName"}
    assert "errors" not in status
    for method in ("GET", "POST"):
        assert host.request(method, "/admin/host/ping").status_code == 200
    assert host.get("/admin/host/config").json()["extensions"]["queues"]["messageEncoding"] == "None"
    processes = host.get("/admin/host/processes").json()["processes"]
    assert processes[0]["processId"] == host.pid
    assert not ends_of([process["processId"] for process in processes])
    assert host.post("/admin/host/debug").status_code == 200


def test_status_counts_unreadable_messages_of_the_task_hub_by_queue(host: HostProcess, connection_string: str) -> None:
    assert host.get("/admin/host/status").json()["setAsideMessages"] == {}
    hub = host.settings["AzureFunctionsJobHost__extensions__durableTask__hubName"].lower()
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        queues.get_queue_client(f"{hub}-control-02").send_message("rubbish")
    expected = {f"{hub}-control-02": 1}
    until(lambda: host.get("/admin/host/status").json()["setAsideMessages"] == expected)
    host.wait_for(f"A message in queue '{hub}-control-02' cannot be read and was set aside")


def test_a_function_is_described_as_tools_know_it(host: HostProcess) -> None:
    told = host.get("/admin/functions/HELLO").json()
    assert told["name"] == "hello"
    assert told["href"] == f"{host.base_url}/admin/functions/hello"
    assert told["invoke_url_template"] == f"{host.base_url}/api/hello/{{name?}}"
    assert (told["language"], told["isDisabled"]) == ("python", False)
    assert told["config"]["entryPoint"] == "hello"
    assert told["config"]["bindings"][0]["methods"] == ["GET", "POST"]
    assert told["config_href"] is None
    timer = host.get("/admin/functions/tick").json()
    assert timer["invoke_url_template"] is None
    names = [function["name"] for function in host.get("/admin/functions").json()]
    assert names == sorted(names)
    assert host.get("/admin/functions/hello/status").json() == {}
    assert "serviceBusTrigger" in host.get("/admin/functions/not_served/status").json()["errors"][0]
    assert host.get("/admin/functions/nobody/status").status_code == 404


def test_a_timer_runs_by_hand(host: HostProcess) -> None:
    assert host.post("/admin/functions/tick", json={}).status_code == 202
    host.wait_for("ticked, past due False")
    host.wait_for(r"Executing 'Functions.tick' \(Reason='This function was programmatically called via the host APIs")
    told = invoke(host, "tick")
    assert told["status"] == "Succeeded"
    host.wait_for(told["invocationId"])


def test_a_queue_function_runs_by_hand_and_its_outputs_are_written(host: HostProcess, connection_string: str) -> None:
    assert invoke(host, "queued", "text")["outputs"] == {"out": "text!"}
    queue = QueueServiceClient.from_connection_string(connection_string).get_queue_client("by-hand-out")
    assert [message.content for message in queue.receive_messages()] == ["text!"]


def test_a_blob_function_runs_by_hand_for_a_blob_that_is_there(host: HostProcess, connection_string: str) -> None:
    service = BlobServiceClient.from_connection_string(connection_string)
    container = service.get_container_client("by-hand")
    if not container.exists():
        container.create_container()
    container.upload_blob("one.txt", b"content", overwrite=True)
    assert invoke(host, "blobbed", "by-hand/one.txt")["status"] == "Succeeded"
    host.wait_for("by-hand/one.txt holds content")
    told = invoke(host, "blobbed", "by-hand/none.txt")
    assert (told["status"], told["error"]) == ("Failed", "There is no blob 'by-hand/none.txt'.")


def test_http_and_activity_functions_and_warm_ups_run_by_hand(host: HostProcess) -> None:
    assert invoke(host, "hello", "you")["returnValue"] == {"status": 203, "body": "hello you"}
    assert invoke(host, "act", '{"a": [1]}')["returnValue"] == {"given": {"a": [1]}}
    assert invoke(host, "warmed")["status"] == "Succeeded"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_warm_up_route_runs_the_warm_up_function_and_waits_for_it(host: HostProcess, method: str) -> None:
    host.wait_for(r"\bwarm$")
    before = len([line for line in host.lines if line.endswith("warm")])
    assert host.request(method, "/admin/warmup").status_code == 200
    until(lambda: len([line for line in host.lines if line.endswith("warm")]) > before, host=host)


def test_a_failure_is_reported_with_its_stack(host: HostProcess) -> None:
    told = invoke(host, "fails")
    assert (told["status"], told["error"]) == ("Failed", "ValueError: boom")
    assert "in fails" in told["stack"]


@pytest.mark.parametrize("name", ["orchestrate?wait=true", "counter?wait=true", "not_served"])
def test_what_cannot_be_run_by_hand_is_refused(host: HostProcess, name: str) -> None:
    response = host.post(f"/admin/functions/{name}", json={})
    assert response.status_code == 400
    assert "cannot be invoked by hand" in response.json()["Message"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("", None, 202),
        ("{}", "application/json", 202),
        ('{"input": 5}', "application/json", 202),
        ("{", "application/json", 400),
        ("[1]", "application/json", 400),
        ("[" * 100_000, "application/json", 400),
        ("text", "text/plain", 415),
        ("\x00\xff", "application/json", 400),
    ],
)
def test_the_body_of_a_manual_invocation_is_checked(
    host: HostProcess, body: str, kind: str | None, status: int
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    response = host.post("/admin/functions/tick", data=body.encode("latin-1"), headers=headers)
    assert response.status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/admin"),
        ("GET", "/admin/"),
        ("GET", "/admin/nothing"),
        ("POST", "/admin/host/status"),
        ("DELETE", "/admin/functions"),
        ("GET", "/admin/host/keys/none"),
        ("PUT", "/admin/host/keys"),
        ("POST", "/admin/functions/nobody"),
        ("GET", "/admin/functions/hello/keys/none"),
        ("GET", "/runtime/webhooks/nobody"),
        ("GET", "/runtime/webhooks/nothing"),
    ],
)
def test_routes_that_do_not_exist_are_404(host: HostProcess, method: str, path: str) -> None:
    assert host.request(method, path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/admin/host/state"),
        ("POST", "/admin/host/log"),
        ("PUT", "/admin/host/functionkeys/x"),
        ("PUT", "/admin/host/systemkeys/x"),
        ("PUT", "/admin/functions/tick/keys/k"),
        ("POST", "/admin/functions/tick"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"value":' * 100_000, b"\xff", b'"\xff"', b'{"value": "\xff"}', b'["\xff"]'],
    ids=["[[", "{{", "bytes", "text", "member", "item"],
)
def test_a_body_that_is_not_json_is_a_400(host: HostProcess, method: str, path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    assert host.request(method, path, data=body, headers=headers).status_code == 400


def test_log_entries_of_tools_are_logged(host: HostProcess) -> None:
    entries = [{"level": "Error", "message": "from a tool", "source": "Host.Tool"}, "no entry", {"level": 5}]
    assert host.post("/admin/host/log", json=entries).status_code == 200
    host.wait_for("from a tool")
    assert host.post("/admin/host/log", data="{").status_code == 400
    assert host.post("/admin/host/log", json={}).status_code == 400


@pytest.mark.parametrize("path", ["/admin/host/status", "/admin/host/restart", "/admin/functions/tick"])
@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example:7071"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_admin_routes_are_for_local_callers_only(host: HostProcess, path: str, headers: dict[str, str]) -> None:
    method = "GET" if path.endswith("status") else "POST"
    assert host.request(method, path, headers=headers).status_code == 403


def test_a_caller_at_another_address_cannot_pass_for_a_local_one(start_host: StartHost) -> None:
    own = own_address()
    if own is None:
        pytest.skip("this machine has no address but loopback")
    host = start_host({"function_app.py": HELLO}, "--address", "0.0.0.0")
    host.wait_for("The host listens on all addresses of this machine.*without a key.*answer this machine only")
    port = host.base_url.rpartition(":")[2]
    for path, status in (
        ("/admin/host/status", 403),
        ("/runtime/webhooks/durabletask/instances", 403),
        ("/api/h", 200),
    ):
        answer = requests.get(f"http://{own}:{port}{path}", headers={"Host": "localhost"}, timeout=30)
        assert answer.status_code == status, path
    assert host.get("/admin/host/status").status_code == 200


def own_address() -> str | None:
    """An address of this machine that other machines could use."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.200", 9))  # sends nothing
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


HELLO = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="h")
def h(req: func.HttpRequest) -> str:
    return "hello"
"""


def test_the_home_page_lists_the_functions_and_can_be_switched_off(host: HostProcess, start_host: StartHost) -> None:
    page = host.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Your Azure Function App is up and running." in page.text
    assert f"{host.base_url}/api/Hello" in page.text
    own = "import azure.functions as func\napp = func.FunctionApp()\n"
    without = start_host({"function_app.py": own}, settings={"AzureWebJobsDisableHomepage": "true"})
    assert (without.get("/").status_code, without.get("/").content) == (204, b"")
    root = (
        own + '@app.route(route="{*rest}", auth_level="anonymous")\ndef root(req: func.HttpRequest) -> str:\n'
        '    return "mine"\n'
    )
    host_json = '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}'
    mine = start_host({"function_app.py": root, "host.json": host_json})
    assert mine.get("/").text == "mine"


def test_a_draining_host_takes_no_events_until_it_resumes(start_host: StartHost, connection_string: str) -> None:
    queue = QueueServiceClient.from_connection_string(connection_string).create_queue("drained")
    app = (
        APP.partition("@app.blob_trigger")[0].replace('"by-hand', '"drained')
        + '\n\n@app.route(route="waits")\ndef waits'
        + APP.partition("def waits")[2].partition("@app.service_bus")[0]
    )
    host_json = json.dumps({"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}})
    host = start_host({"function_app.py": app, "host.json": host_json})
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(host.get("/api/waits").text))
    thread.start()
    host.wait_for("waits now")
    assert host.get("/admin/host/drain/status").json()["state"] == "Disabled"
    assert host.post("/admin/host/drain").status_code == 202
    status = host.get("/admin/host/drain/status").json()
    assert (status["state"], status["outstandingInvocations"]) == ("InProgress", 1)
    queue.send_message("m")
    (host.root / "go-on").touch()
    thread.join(30)
    assert answers == ["waited"]
    until(lambda: host.get("/admin/host/drain/status").json()["state"] == "Completed")
    assert "Executing 'Functions.queued'" not in host.output
    assert host.post("/admin/host/resume").json() == {"state": "Running"}
    host.wait_for("Executed 'Functions.queued' .Succeeded")


def test_the_app_goes_off_line_and_on_line_again(start_host: StartHost, connection_string: str) -> None:
    durable = (
        APP
        + """

@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> str:
    return await client.start_new("orchestrate")
"""
    )
    host = start_host({"function_app.py": durable})

    def set_state(text: str) -> int:
        return host.request("PUT", "/admin/host/state", data=text).status_code

    assert [set_state(text) for text in ('"sleeping"', "5", "", '"running"')] == [400, 400, 400, 200]
    assert set_state('"offline"') == 202
    assert set_state('"offline"') == 200
    assert host.get("/admin/host/status").json()["state"] == "Offline"
    response = host.get("/api/hello")
    assert response.status_code == 503
    assert "offline" in response.text
    assert host.post("/admin/functions/tick", json={}).status_code == 503
    assert set_state('"running"') == 202
    assert host.post("/api/hello", data="you").text == "hello you"
    until(lambda: host.get("/api/start").status_code == 200, host=host)
    host.wait_status(host.get("/api/start").text, "Completed")
    (host.root / "app_offline.htm").write_text("<p>back soon</p>")
    until(lambda: host.get("/api/hello").status_code == 503, host=host)
    assert host.get("/api/hello").text == "<p>back soon</p>"
    (host.root / "app_offline.htm").unlink()
    until(lambda: host.post("/api/hello").status_code == 203, host=host)
    assert host.stop() == 0


def test_a_host_whose_app_is_off_line_from_the_start_says_so(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP, "app_offline.htm": "<p>later</p>"})
    assert host.get("/api/hello").text == "<p>later</p>"
    assert host.get("/admin/host/status").json()["state"] == "Offline"
    assert "Executing 'Functions.warmed'" not in host.output
