"""The app `http-cjs`: requests and responses of every kind, with the newest library and the first one."""

import base64
import json

import pytest
from azure.storage.queue import QueueClient
from host_process import HostProcess, until


@pytest.fixture(scope="module", params=["newest", "oldest"])
def host(request: pytest.FixtureRequest, start_node_app, connection_string: str) -> HostProcess:
    with QueueClient.from_connection_string(connection_string, "http-cjs-out") as queue:
        if request.param == "newest":
            queue.create_queue()
        queue.clear_messages()
    return start_node_app("http-cjs", kind=request.param)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_method_query_and_headers_arrive(host: HostProcess, method: str) -> None:
    response = host.request(method, "/api/echo?q=&z=1&z=2&w=a%20b", headers={"x-custom": "yes"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    told = response.json()
    assert told["method"] == method
    assert told["path"] == "/api/echo?q=&z=1&z=2&w=a%20b"
    assert told["query"] == [["q", ""], ["z", "1,2"], ["w", "a b"]]
    assert told["header"] == "yes"
    assert told["body"] == ""
    assert told["metadata"] is True


def test_head_has_the_headers_and_no_body(host: HostProcess) -> None:
    response = host.request("HEAD", "/api/echo")
    assert (response.status_code, response.headers["x-method"], response.content) == (200, "HEAD", b"")


def test_method_that_is_not_declared_is_not_found(host: HostProcess) -> None:
    assert host.get("/api/json").status_code == 404


@pytest.mark.parametrize(
    ("path", "params"),
    [("/api/items/5", {"id": "5"}), ("/api/items/5/a%20b", {"id": "5", "part": "a b"})],
)
def test_route_parameters_are_decoded_and_optional_ones_left_out(
    host: HostProcess, path: str, params: dict[str, str]
) -> None:
    assert host.get(path).json() == params


def test_constraint_of_a_route_is_checked(host: HostProcess) -> None:
    assert host.get("/api/items/five").status_code == 404


def test_route_that_begins_with_a_slash_is_served_from_the_file_beside_the_folder(host: HostProcess) -> None:
    assert host.get("/api/lead/Bob").text == "Bob"


def test_json_body_is_parsed(host: HostProcess) -> None:
    body = {"a": [1, 2.5, None, "ü", {"b": True}]}
    assert host.post("/api/json", json=body).json() == {"got": body}


def test_invalid_json_is_an_error_of_the_function(host: HostProcess) -> None:
    assert host.post("/api/json", data="{").status_code == 500


def test_bytes_arrive_unchanged(host: HostProcess) -> None:
    assert host.post("/api/bytes", data=bytes(range(256))).json() == list(range(256))


def test_form_with_a_file_is_read(host: HostProcess) -> None:
    response = host.post("/api/form", data={"text": "hi"}, files={"file": ("a.txt", b"content", "text/plain")})
    assert response.json() == {"text": "hi", "name": "a.txt", "content": "content"}


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_body_is_read_as_a_stream(host: HostProcess, size: int) -> None:
    assert host.request("PUT", "/api/streamed", data=b"x" * size).text == str(size)


def test_user_is_decoded_from_the_header_of_the_platform(host: HostProcess) -> None:
    principal = {"userId": "u1", "userDetails": "Ann", "identityProvider": "aad", "userRoles": [], "claims": []}
    header = {"x-ms-client-principal": base64.b64encode(json.dumps(principal).encode()).decode()}
    assert host.get("/api/user").json() == {}
    assert host.get("/api/user", headers=header).json() == {"name": "Ann", "id": "u1"}


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "body"),
    [
        ("text", 200, "text/plain;charset=UTF-8", b"text"),
        ("status", 201, "text/csv", b"a,b"),
        ("buffer", 200, None, b"\x01\x02\x03"),
        ("params", 200, "application/x-www-form-urlencoded;charset=UTF-8", b"a=1"),
        ("object", 200, "application/json", b'{"a":[1,null,"x"]}'),
        ("nothing", 204, None, b""),
        ("null", 204, None, b""),
        ("empty", 200, None, b""),
        ("teapot", 418, None, b""),
        ("class", 202, "text/plain;charset=UTF-8", b"class"),
        ("stream", 200, None, b"one two"),
    ],
)
def test_response_is_what_the_handler_returns(
    host: HostProcess, kind: str, status: int, content_type: str | None, body: bytes
) -> None:
    response = host.get(f"/api/answer/{kind}")
    assert (response.status_code, response.headers.get("Content-Type"), response.content) == (
        status,
        content_type,
        body,
    )
    if kind == "status":
        assert response.headers["x-test"] == "yes"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("string", 'The HTTP response must be an object with optional properties "body", "status", "headers", and'),
        ("number", 'The HTTP response must be an object with optional properties "body", "status", "headers", and'),
        ("odd", "must be in the range of 200 to 599, inclusive"),
        ("throws", "bad thing"),
    ],
)
def test_handler_that_fails_is_a_500_with_the_reason_in_the_log(host: HostProcess, kind: str, message: str) -> None:
    assert host.get(f"/api/answer/{kind}").status_code == 500
    host.wait_for(message.replace("(", r"\("))


def test_stack_names_the_file_of_the_app_and_the_message_has_no_type(host: HostProcess) -> None:
    host.get("/api/answer/throws")
    host.wait_for(r"Exception: bad thing$")
    host.wait_for(r"at .*src/functions/responses\.js:\d+")


def test_cookies_are_set(host: HostProcess) -> None:
    cookies = host.get("/api/answer/cookies").raw.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    first, second = ({part.strip().lower() for part in cookie.split(";")} for cookie in cookies)
    assert {"c1=v%201", "domain=localhost", "path=/p", "secure", "httponly", "max-age=60"} <= first
    assert {"c2=v2", "samesite=lax", "expires=tue, 01 jan 2030 00:00:00 gmt"} <= second


def test_extra_output_is_sent_beside_the_response(host: HostProcess, connection_string: str) -> None:
    assert host.post("/api/enqueue", data="one").status_code == 202
    with QueueClient.from_connection_string(connection_string, "http-cjs-out") as queue:
        until(lambda: queue.get_queue_properties().approximate_message_count == 2, host=host)
        first, second = (message.content for message in queue.receive_messages())
        assert (first, json.loads(second)) == ("one", {"two": 2})
        queue.clear_messages()
