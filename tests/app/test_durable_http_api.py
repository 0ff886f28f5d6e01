"""The management API over HTTP, with valid and invalid input. Source: docs/protocol/durable-http-api.md#routes"""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from durable_world import HEADER, MANAGEMENT, finished, start_instance, wait_custom_status
from host_process import HostProcess, hub_settings, until, write_app

APP = (
    HEADER
    + """
@app.orchestration_trigger(context_name="context")
def same(context):
    return context.get_input()


@app.orchestration_trigger(context_name="context")
def waiting(context):
    context.set_custom_status("waiting")
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def failing(context):
    raise ValueError("no good")
    yield


@app.entity_trigger(context_name="context")
def counter(context):
    context.set_state(context.get_state(lambda: 0) + 1)
"""
)

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    root = write_app(tmp_path_factory.mktemp("api") / "app", {"function_app.py": APP})
    host = HostProcess(root, hub_settings(connection_string))
    yield host.start()
    host.end()


@pytest.fixture(scope="module")
def ids(host: HostProcess) -> dict[str, str]:
    """An instance in each state that requests are about."""
    ids = {name: start_instance(host, name) for name in ("same", "waiting", "failing")}
    finished(host, ids["same"])
    finished(host, ids["failing"], "Failed")
    wait_custom_status(host, ids["waiting"], "waiting")
    suspended = start_instance(host, "waiting")
    wait_custom_status(host, suspended, "waiting")
    host.post(f"{MANAGEMENT}/instances/{suspended}/suspend?reason=x")
    host.wait_status(suspended, "Suspended")
    return {**ids, "suspended": suspended}


CASES: list[tuple[str, str, Any, int]] = [
    ("POST", "orchestrators/nothing", None, 400), ("POST", "orchestrators/same", "{broken", 400),
    ("POST", "orchestrators/same", b"\xff\xfe", 400), ("POST", "orchestrators/same/a%2Fb", None, 400),
    ("POST", "orchestrators/same/@x", None, 400), ("POST", "orchestrators/same/a%01b", None, 400),
    ("POST", "orchestrators/same/" + "x" * 257, None, 400), ("POST", "orchestrators/same/a%3Fb", None, 400),
    ("POST", "orchestrators/waiting/{waiting}", None, 409), ("GET", "orchestrators/same", None, 404),
    ("POST", "orchestrators/same?timeout=1&pollingInterval=5", None, 400), ("POST", "orchestrators", None, 404),
    ("GET", "instances/nobody", None, 404), ("GET", "instances/%00", None, 404),
    ("PUT", "instances/{same}", None, 404), ("GET", "instances/{same}?showHistory=true&showInput=false", None, 200),
    ("GET", "instances/{waiting}", None, 202), ("GET", "instances/{suspended}", None, 202),
    ("GET", "instances/{failing}", None, 200),
    ("GET", "instances/{failing}?returnInternalServerErrorOnFailure=true", None, 500),
    ("GET", "instances", None, 200), ("GET", "instances/", None, 200), ("GET", "instances?top=-1", None, 400),
    ("GET", "instances?top=0", None, 200), ("GET", "instances?top=many", None, 200),
    ("GET", "instances?createdTimeFrom=yesterday", None, 200),
    ("GET", "instances?createdTimeTo=2026-13-01", None, 200),
    ("GET", "instances?createdTimeFrom=0001-01-01", None, 200),
    ("GET", "instances?createdTimeTo=1600-01-01", None, 200),
    ("GET", "entities?lastOperationTimeFrom=1-01-01T00:00:00.000000Z", None, 200),
    ("DELETE", "instances?createdTimeFrom=0001-01-01&createdTimeTo=1600-01-01", None, 404),
    ("GET", "instances?runtimeStatus=Dancing", None, 200),
    ("GET", "instances?runtimeStatus=Completed,Dancing", None, 200),
    ("GET", "instances?taskHub=Elsewhere", None, 200), ("GET", "instances/{same}?taskHub=Elsewhere", None, 404),
    ("GET", "instances?taskHub=no%20hub!", None, 500), ("GET", "instances?connection=Nowhere", None, 500),
    ("DELETE", "instances", None, 400), ("DELETE", "instances?createdTimeFrom=never", None, 400),
    ("DELETE", "instances?createdTimeFrom=2999-01-01", None, 404), ("DELETE", "instances/nobody", None, 404),
    ("DELETE", "instances/{waiting}", None, 412),
    ("DELETE", "instances?createdTimeFrom=2020-01-01&runtimeStatus=Running", None, 404),
    ("POST", "instances/{waiting}/raiseEvent/other", "{broken", 400),
    ("POST", "instances/{waiting}/raiseEvent/x", "", 400), ("POST", "instances/nobody/raiseEvent/go", "{broken", 404),
    ("POST", "instances/{same}/raiseEvent/go", "{broken", 410), ("POST", "instances/{waiting}/raiseEvent", "1", 404),
    ("POST", "instances/{same}/terminate?reason=x", None, 410), ("POST", "instances/nobody/terminate", None, 404),
    ("GET", "instances/{waiting}/terminate", None, 404), ("POST", "instances/nobody/suspend", None, 404),
    ("POST", "instances/{same}/suspend", None, 410), ("POST", "instances/{suspended}/suspend", None, 202),
    ("POST", "instances/{waiting}/resume", None, 202), ("POST", "instances/{same}/resume", None, 410),
    ("POST", "instances/nobody/resume", None, 404), ("POST", "instances/nobody/rewind", None, 404),
    ("POST", "instances/{same}/rewind", None, 412), ("POST", "instances/nobody/restart", None, 400),
    ("POST", "instances/{waiting}/dance", None, 404),
    ("POST", "instances/{waiting}/restart?restartWithNewInstanceId=false", None, 409), ("GET", "entities", None, 200),
    ("GET", "entities/counter/none", None, 404), ("GET", "entities?top=x", None, 200),
    ("POST", "entities/nothing/k?op=x", None, 400), ("POST", "entities/counter/a%23b?op=x", None, 400),
    ("POST", "entities/counter/k?op=x", "{broken", 400), ("POST", "makeprimary", None, 200),
    ("GET", "nothing", None, 404), ("POST", "orchestrators/anything?taskHub=MadeByAStart", None, 202),
    ("POST", "instances/x/raiseEvent/go?taskHub=Elsewhere", "1", 404),
    ("DELETE", "instances/x?taskHub=Elsewhere", None, 404), ("GET", "entities?taskHub=Elsewhere", None, 200),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "code"), CASES, ids=[f"{case[0]} {case[1][:60]}" for case in CASES])
def test_requests_are_answered_as_documented(
    host: HostProcess, ids: dict[str, str], method: str, path: str, body: Any, code: int
) -> None:
    answer = host.request(method, f"{MANAGEMENT}/{path.format(**ids)}", data=body, headers=JSON if body else {})
    assert answer.status_code == code, answer.text
    if answer.content:
        assert "application/json" in answer.headers["Content-Type"]
        answer.json()
    assert "Traceback" not in answer.text


def test_a_start_is_answered_with_urls_of_the_asked_origin(host: HostProcess) -> None:
    answer = host.post(f"{MANAGEMENT}/orchestrators/same/urls", data="1", headers=JSON)
    told = answer.json()
    assert (answer.status_code, answer.headers["Retry-After"], told["id"]) == (202, "10", "urls")
    assert answer.headers["Location"] == told["statusQueryGetUri"]
    assert "rewindPostUri" not in told
    assert all(url.startswith(host.base_url) for name, url in told.items() if name != "id")


def test_a_start_may_be_waited_for(host: HostProcess) -> None:
    path = f"{MANAGEMENT}/orchestrators/same?timeout=20&pollingInterval=0.1"
    answer = host.post(path, data=json.dumps(json.dumps({"a": 1})), headers=JSON)
    assert (answer.status_code, answer.json()) == (200, {"a": 1})
    waiting = host.post(f"{MANAGEMENT}/orchestrators/waiting?timeout=0.2&pollingInterval=0.1")
    assert (waiting.status_code, "Location" in waiting.headers) == (202, True)
    failed = host.post(f"{MANAGEMENT}/orchestrators/failing?timeout=20&pollingInterval=0.1").json()
    assert failed["runtimeStatus"] == "Failed"


def test_a_list_is_paged_by_its_token_to_the_end(host: HostProcess) -> None:
    wanted = {start_instance(host, "same", n, instance_id=f"page-{n}") for n in range(5)}
    for instance_id in wanted:
        finished(host, instance_id)
    seen: list[str] = []
    token: str | None = ""
    while token is not None:
        headers = {"x-ms-continuation-token": token} if token else {}
        page = host.get(f"{MANAGEMENT}/instances?instanceIdPrefix=page-&top=2", headers=headers)
        seen += [one["instanceId"] for one in page.json()]
        token = page.headers.get("x-ms-continuation-token") or None
    assert sorted(seen) == sorted(wanted)
    odd = host.get(f"{MANAGEMENT}/instances?top=2", headers={"x-ms-continuation-token": "no token"})
    assert odd.status_code in {200, 400}, "tokens are the storage service's own, and it takes any place to begin"


def test_huge_bodies_are_taken_or_refused_and_the_host_continues(host: HostProcess) -> None:
    taken = host.post(f"{MANAGEMENT}/orchestrators/same", data=json.dumps(json.dumps("x" * 5_000_000)), headers=JSON)
    assert taken.status_code == 202
    assert len(finished(host, taken.json()["id"])["output"]) == 5_000_000
    url = urlsplit(host.base_url)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=30)
    connection.putrequest("POST", f"{MANAGEMENT}/orchestrators/same")
    connection.putheader("Content-Length", str(10**12))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert host.get(f"{MANAGEMENT}/instances?top=1").status_code == 200


def test_an_event_to_an_instance_that_has_not_begun_is_kept(host: HostProcess) -> None:
    for number in range(5):
        instance_id = start_instance(host, "waiting", instance_id=f"at-once-{number}")
        answer = host.post(f"{MANAGEMENT}/instances/{instance_id}/raiseEvent/go", data=str(number), headers=JSON)
        assert answer.status_code == 202
        until(lambda instance_id=instance_id: host.status(instance_id)["runtimeStatus"] == "Completed", host=host)
        assert host.status(instance_id)["output"] == number
