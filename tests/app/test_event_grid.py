"""Event Grid events at the host's webhook, and events that functions send."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import requests
from azure.storage.blob import BlobServiceClient
from host_process import HostProcess, hub_settings, until, write_app

StartHost = Callable[..., HostProcess]

APP = """
import json
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
both = threading.Barrier(2)


@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent) -> None:
    facts = [event.id, event.topic, event.subject, event.event_type, event.data_version, event.get_json()]
    print("event", json.dumps(facts), event.event_time.isoformat())
    if event.get_json() == "fail":
        raise ValueError("not this one")


@app.event_grid_trigger(arg_name="event")
def on_cloud_event(event: func.CloudEvent) -> None:
    print("cloud", json.dumps([event.id, event.source, event.type, event.get_json(), event.extension_attrs]))


@app.event_grid_trigger(arg_name="event")
def together(event: func.EventGridEvent) -> None:
    both.wait(20)
    print("met", event.id)


@app.event_grid_trigger(arg_name="event")
@app.blob_input(arg_name="blob", path="{data.container}/{data.name}", connection="AzureWebJobsStorage")
def with_blob(event: func.EventGridEvent, blob: str) -> None:
    print("blob", blob)


@app.event_grid_trigger(arg_name="event")
@app.event_grid_output(arg_name="out", topic_endpoint_uri="Topic", topic_key_setting="TopicKey")
def forward(event: func.EventGridEvent, out: func.Out[func.EventGridOutputEvent]) -> None:
    out.set(func.EventGridOutputEvent(
        id="out", data={"of": event.id}, subject="s", event_type="Forwarded", event_time=event.event_time,
        data_version="1.0"))


@app.event_grid_trigger(arg_name="event")
@app.event_grid_output(arg_name="out", topic_endpoint_uri="NoTopic", topic_key_setting="NoKey")
def tell(event: func.EventGridEvent, out: func.Out[str]) -> None:
    out.set(json.dumps({"id": "told", "data": event.get_json()}))


@app.route(route="plain")
def plain(req: func.HttpRequest) -> str:
    return "plain"
"""
WEBHOOK = "/runtime/webhooks/EventGrid"
NOTIFICATION = {"aeg-event-type": "Notification"}


def event(id: str, data: Any = None) -> dict[str, Any]:
    return {
        "id": id,
        "topic": "t",
        "subject": "s",
        "eventType": "T",
        "eventTime": "2024-05-01T10:00:00.1234567Z",
        "dataVersion": "1.0",
        "data": data,
    }


class Topic(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    posted: list[tuple[str | None, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.posted.append((self.headers["aeg-sas-key"], json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def topic() -> Iterator[ThreadingHTTPServer]:
    Topic.posted = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Topic)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, connection_string: str, topic: ThreadingHTTPServer
) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("events") / "app", {"function_app.py": APP})
    where = f"http://127.0.0.1:{topic.server_address[1]}/api/events"
    host = HostProcess(root, {**hub_settings(connection_string), "Topic": where, "TopicKey": "KEY"})
    yield host.start("--verbose")
    host.end()


def post(host: HostProcess, name: str, body: Any, headers: dict[str, str] | None = None) -> requests.Response:
    return host.post(f"{WEBHOOK}?functionName={name}", json=body, headers=NOTIFICATION if headers is None else headers)


@pytest.mark.parametrize("is_array", [True, False])
def test_an_event_runs_its_function_before_the_answer(host: HostProcess, is_array: bool) -> None:
    id = f"one-{is_array}"
    sent = event(id, {"x": [1, "ü"]})
    answer = post(host, "on_event", [sent] if is_array else sent)
    assert (answer.status_code, answer.text) == (202, "")
    line = host.wait_for(f'event .*"{id}"')
    assert json.loads(line[line.index('["') : line.rindex("]") + 1]) == [id, "t", "s", "T", "1.0", {"x": [1, "ü"]}]
    assert "2024-05-01T10:00:00.123456" in line


def test_the_log_says_what_started_the_function(host: HostProcess) -> None:
    post(host, "on_event", [event("logged")])
    host.wait_for(r"Executing 'Functions\.on_event' \(Reason='EventGrid trigger fired at \d{4}-")


def test_events_of_one_request_run_at_the_same_time(host: HostProcess) -> None:
    assert post(host, "together", [event("a"), event("b")]).status_code == 202
    host.wait_for("met a")
    host.wait_for("met b")


def test_requests_run_at_the_same_time(host: HostProcess) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda id: post(host, "together", [event(id)]), ["c", "d"]))
    assert [answer.status_code for answer in answers] == [202, 202]


def test_a_failure_of_one_event_is_answered_so_that_event_grid_sends_again(host: HostProcess) -> None:
    answer = post(host, "on_event", [event("good"), event("bad", "fail"), event("also good")])
    assert answer.status_code == 500
    assert "not this one" in answer.json()["Message"]
    host.wait_for('"also good"')


def test_cloud_events_in_an_array_and_alone(host: HostProcess) -> None:
    sent = {"specversion": "1.0", "id": "c1", "source": "/shop", "type": "T", "data": {"n": 1}, "traceid": "x"}
    headers = {**NOTIFICATION, "Content-Type": "application/cloudevents+json; charset=utf-8"}
    assert post(host, "on_cloud_event", sent, headers).status_code == 202
    batch = {**NOTIFICATION, "Content-Type": "application/cloudevents-batch+json"}
    assert post(host, "on_cloud_event", [sent, {**sent, "id": "c2"}], batch).status_code == 202
    for id in ("c1", "c2"):
        line = host.wait_for(f'cloud .*"{id}"')
        assert json.loads(line[line.index('["') :]) == [id, "/shop", "T", {"n": 1}, {"traceid": "x"}]


@pytest.mark.parametrize("header", ["SubscriptionValidation", "Notification", None])
def test_a_new_subscription_is_answered_with_its_code(host: HostProcess, header: str | None) -> None:
    kind = "Microsoft.EventGrid.SubscriptionValidationEvent"
    sent = {**event("v", {"validationCode": "512d", "validationUrl": "https://x"}), "eventType": kind}
    answer = post(host, "on_event", [sent], {"aeg-event-type": header} if header else {})
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "512d"})


def test_the_handshake_of_cloud_events(host: HostProcess) -> None:
    headers = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    answer = host.request("OPTIONS", f"{WEBHOOK}?functionName=on_cloud_event", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


def test_an_ended_subscription_is_accepted(host: HostProcess) -> None:
    assert post(host, "on_event", [event("gone")], {"aeg-event-type": "Unsubscribe"}).status_code == 202


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        ("nobody", b"[]", NOTIFICATION, 404),
        ("AccountKey=SECRET", b"[]", NOTIFICATION, 404),
        ("plain", b"[]", NOTIFICATION, 404),
        ("", b"[]", NOTIFICATION, 404),
        ("on_event", b"[", NOTIFICATION, 400),
        ("on_event", b"[]", NOTIFICATION, 400),
        ("on_event", b"[1]", NOTIFICATION, 400),
        ("on_event", b"[" + b"{}," * 5_000 + b"{}]", NOTIFICATION, 400),
        ("on_event", b"\xff", NOTIFICATION, 400),
        ("on_event", b"[" * 100_000, NOTIFICATION, 400),
        ("on_event", b"{}", {}, 400),
        ("on_event", b"{}", {"aeg-event-type": "Nonsense"}, 400),
        ("on_event", b"{}", {"aeg-event-type": "SubscriptionValidation"}, 400),
    ],
)
def test_what_cannot_be_taken_is_refused_with_a_reason(
    host: HostProcess, name: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = host.post(f"{WEBHOOK}?functionName={name}", data=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["Message"]
    assert "SECRET" not in answer.text


def test_names_of_functions_and_the_path_are_found_in_any_case(host: HostProcess) -> None:
    path = "/runtime/webhooks/eventgrid?functionname=ON_EVENT"
    assert host.post(path, json=[event("case")], headers=NOTIFICATION).status_code == 202


def test_the_webhook_answers_local_callers_only(host: HostProcess) -> None:
    headers = {**NOTIFICATION, "Host": "evil.example"}
    assert post(host, "on_event", [event("evil")], headers).status_code == 403


def test_members_of_the_data_stand_in_binding_expressions(host: HostProcess, connection_string: str) -> None:
    container = f"events{os.getpid()}"
    with BlobServiceClient.from_connection_string(connection_string) as service:
        service.create_container(container).upload_blob("a.txt", b"content of a")
        assert post(host, "with_blob", [event("b", {"container": container, "name": "a.txt"})]).status_code == 202
        service.delete_container(container)
    host.wait_for("blob content of a")


def test_an_output_is_posted_to_its_topic(host: HostProcess) -> None:
    assert post(host, "forward", [event("f1")]).status_code == 202
    key, body = next((key, body) for key, body in Topic.posted if body[0]["data"] == {"of": "f1"})
    assert key == "KEY"
    assert (body[0]["id"], body[0]["eventType"]) == ("out", "Forwarded")


def test_an_output_without_a_topic_is_logged_as_json(host: HostProcess) -> None:
    assert post(host, "tell", [event("t1", {"n": 7})]).status_code == 202
    line = host.wait_for(r'"output": ?"out"')
    logged = json.loads(line[line.index("{") :])
    assert (logged["type"], logged["value"]) == ("eventGrid", {"id": "told", "data": {"n": 7}})


def test_a_run_by_hand_takes_an_event_as_text(host: HostProcess) -> None:
    answer = host.post("/admin/functions/on_event?wait=true", json={"input": json.dumps(event("hand", 3))})
    assert answer.json()["status"] == "Succeeded"
    host.wait_for('event .*"hand"')


def test_the_listing_shows_the_trigger(host: HostProcess) -> None:
    assert re.search(r"on_event: +eventGridTrigger", host.output)


def test_keys_are_asked_for_with_auth(start_host: StartHost) -> None:
    host = start_host({"function_app.py": APP}, "--enable-auth")
    assert post(host, "on_event", [event("x")]).status_code == 401


def test_the_function_of_the_template_is_served(start_host: StartHost) -> None:
    root = start_host({"function_app.py": APP}, wait=False).root
    command = [sys.executable, "-m", "durable_host", "new", "--template", "EventGrid trigger", "--name", "OnOrder"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    host = start_host(root)
    assert post(host, "OnOrder", [event("order")]).status_code == 202
    until(lambda: "Executed 'Functions.OnOrder' (Succeeded" in host.output, host=host)
