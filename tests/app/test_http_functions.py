"""HTTP functions through host and worker.

Source: docs/protocol/functions-host-http.md#requests,
    docs/protocol/functions-host-http.md#returned-values,
    docs/protocol/functions-host-http.md#examples
"""

import http.client
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from host_process import HostProcess, write_app

APP = """
import json
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="items/{id:int}", methods=["GET"])
def a(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({"f": "a", "route": dict(req.route_params), "params": dict(req.params)}))


@app.route(route="items/{x}")
def z(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({"f": "z", "route": dict(req.route_params), "method": req.method}))


@app.route(route="echo/{*rest}")
def echo(req: func.HttpRequest) -> func.HttpResponse:
    body = req.get_body()
    return func.HttpResponse(json.dumps({
        "method": req.method, "url": req.url, "headers": dict(req.headers), "params": dict(req.params),
        "route": dict(req.route_params), "size": len(body), "body": body[:200].decode("latin-1"),
    }), mimetype="application/json")


@app.route(route="form")
def form(req: func.HttpRequest) -> func.HttpResponse:
    files = {name: [file.filename, file.read().decode("latin-1")] for name, file in req.files.items()}
    return func.HttpResponse(json.dumps({"form": req.form.to_dict(), "files": files}))


@app.route(route="returns/{what}")
def returns(req: func.HttpRequest):
    what = req.route_params["what"]
    if what == "none":
        return None
    if what == "boom":
        raise ValueError("boom")
    if what == "204":
        return func.HttpResponse(status_code=204)
    if what == "binary":
        return func.HttpResponse(bytes(range(256)), mimetype="application/octet-stream")
    if what == "cookies":
        response = func.HttpResponse("ok", headers={"X-Given": "As It Is"})
        response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
        response.headers.add("Set-Cookie", "b=x%20y; Secure; SameSite=Lax")
        return response
    if what == "split":
        return func.HttpResponse("x", headers={"X-Bad": "a\\r\\nX-Injected: 1"})
    if what == "header":
        return func.HttpResponse("sent", headers=req.get_json())
    if what == "wrong-length":
        return func.HttpResponse("four", headers={"Content-Length": "9999"})
    return req.get_json()["text"]


@app.route(route="named", binding_arg_name="out")
def named(req: func.HttpRequest, out: func.Out[func.HttpResponse]) -> None:
    if req.params.get("set"):
        out.set(func.HttpResponse("set", status_code=202))


@app.route(route="get-only", methods=["GET"])
def get_only(req: func.HttpRequest) -> str:
    return "got"


@app.route(route="headed", methods=["GET", "HEAD"])
def headed(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("body", headers={"X-Method": req.method})


@app.route(route="admin/mine")
def conflicting(req: func.HttpRequest) -> str:
    return "never"


@app.route(route="switched-off")
def switched_off(req: func.HttpRequest) -> str:
    return "still answers locally"
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    root = write_app(
        tmp_path_factory.mktemp("http"),
        {
            "function_app.py": APP,
            "host.json": json.dumps(
                {
                    "version": "2.0",
                    "extensions": {"http": {"customHeaders": {"X-Custom": "always"}}},
                }
            ),
        },
    )
    settings = {"AzureWebJobs.switched_off.Disabled": "true", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000000"}
    host = HostProcess(root, settings)
    yield host.start("--cors", "http://x")
    host.end()


@pytest.mark.parametrize(
    ("method", "path", "function", "route"),
    [
        ("GET", "/api/items/5", "a", {"id": "5"}),
        ("GET", "/api/items/abc", "z", {"x": "abc"}),
        ("POST", "/api/items/5", "z", {"x": "5"}),
        ("GET", "/api/ITEMS/5/", "a", {"id": "5"}),
        ("GET", "/api/items/A%20%2Fb", "z", {"x": "A %2Fb"}),
    ],
)
def test_a_request_reaches_the_first_function_that_fits(
    host: HostProcess, method: str, path: str, function: str, route: dict[str, str]
) -> None:
    told = host.request(method, path).json()
    assert (told["f"], told["route"]) == (function, route)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/items/5"), ("GET", "/api/none"), ("POST", "/api/get-only"), ("HEAD", "/api/get-only")],
)
def test_without_a_route_that_fits_the_answer_is_an_empty_404(host: HostProcess, method: str, path: str) -> None:
    response = host.request(method, path)
    assert (response.status_code, response.content) == (404, b"")


def test_repeated_query_keys_are_joined_and_empty_ones_absent(host: HostProcess) -> None:
    assert host.get("/api/items/5?k=1&k=2&e=").json()["params"] == {"k": "1,2"}


def test_the_request_arrives_as_it_was_sent(host: HostProcess) -> None:
    response = host.post("/api/echo/a/b%20c?name=A%20B&x=%C3%A4", data=b"\x00\xffbytes", headers={"X-Own": "1"})
    told = response.json()
    assert told["method"] == "POST"
    assert told["url"] == f"{host.base_url}/api/echo/a/b%20c?name=A%20B&x=%C3%A4"
    assert told["params"] == {"name": "A B", "x": "ä"}
    assert told["route"] == {"rest": "a/b c"}
    assert told["body"] == "\x00\xffbytes"
    assert told["headers"]["x-own"] == "1"
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Custom"] == "always"


def test_a_chunked_body_is_read(host: HostProcess) -> None:
    told = host.post("/api/echo/x", data=iter([b"one ", b"two ", b"three"])).json()
    assert told["body"] == "one two three"
    assert told["headers"]["content-length"] == "13"
    assert "transfer-encoding" not in told["headers"]


def test_repeated_headers_are_joined_with_commas(host: HostProcess) -> None:
    address = urlsplit(host.base_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.putrequest("GET", "/api/echo/x")
    connection.putheader("X-Many", "1")
    connection.putheader("X-Many", "2")
    connection.endheaders()
    assert json.loads(connection.getresponse().read())["headers"]["x-many"] == "1,2"
    connection.close()


def test_a_multipart_form_arrives_with_its_files(host: HostProcess) -> None:
    told = host.post("/api/form", data={"a": "1"}, files={"f": ("name.txt", b"content")}).json()
    assert told == {"form": {"a": "1"}, "files": {"f": ["name.txt", "content"]}}


def test_a_body_over_the_limit_is_413_and_the_host_continues(host: HostProcess) -> None:
    assert host.post("/api/echo/x", data=b"x" * 1_000_001).status_code == 413
    assert host.post("/api/echo/x", data=iter([b"x" * 600_000, b"x" * 600_000])).status_code == 413
    assert host.post("/api/echo/x", data=b"x" * 999_999).json()["size"] == 999_999


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [
        ("hi", 200, "hi"),
        ('{"body":"x","status":201}', 201, "x"),
        ('{"a":1}', 200, '{"a":1}'),
        ("[1,2]", 200, "[1,2]"),
        ("1.50", 200, "1.5"),
        ("null", 200, ""),
    ],
)
def test_a_returned_text_becomes_the_response(host: HostProcess, text: str, status: int, body: str) -> None:
    response = host.post("/api/returns/text", json={"text": text})
    assert (response.status_code, response.text) == (status, body)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_an_empty_response_has_no_body(host: HostProcess) -> None:
    response = host.get("/api/returns/204")
    assert (response.status_code, response.content) == (204, b"")


def test_bytes_pass_unchanged(host: HostProcess) -> None:
    response = host.get("/api/returns/binary")
    assert response.content == bytes(range(256))
    assert response.headers["Content-Type"] == "application/octet-stream"


def test_cookies_and_header_names_are_kept(host: HostProcess) -> None:
    response = host.get("/api/returns/cookies")
    assert response.raw.headers.getlist("Set-Cookie") == ["a=1; Path=/; HttpOnly", "b=x%20y; Secure; SameSite=Lax"]
    assert ("X-Given", "As It Is") in response.raw.headers.items()


def test_a_failing_function_is_a_500_that_explains_itself(host: HostProcess) -> None:
    response = host.get("/api/returns/boom")
    assert response.status_code == 500
    told = response.json()
    assert told["error"] == "ValueError: boom"
    assert 'raise ValueError("boom")' in told["stack"]
    page = host.get("/api/returns/boom", headers={"Accept": "text/html"})
    assert "ValueError: boom" in page.text
    host.wait_for("Exception: ValueError: boom")


def test_a_failure_is_not_explained_to_a_caller_by_another_name(host: HostProcess) -> None:
    for name in ("evil.example", "evil.example:7071", "192.168.1.5:7071"):
        told = host.get("/api/returns/boom", headers={"Host": name})
        assert (told.status_code, told.content) == (500, b"")


def test_the_home_page_does_not_list_functions_for_a_caller_by_another_name(host: HostProcess) -> None:
    told = host.get("/", headers={"Host": "evil.example:7071"})
    assert "up and running" in told.text
    assert "echo" not in told.text
    assert "echo" in host.get("/").text


def test_returning_none_is_a_500_with_a_hint(host: HostProcess) -> None:
    response = host.get("/api/returns/none")
    assert response.status_code == 500
    assert "returned None" in response.json()["hint"]


def test_headers_that_would_split_the_response_are_refused(host: HostProcess) -> None:
    response = host.get("/api/returns/split")
    assert response.status_code == 500
    assert "X-Injected" not in response.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [("two words", "x"), ("co:lon", "x"), ("na\u00efve", "x"), ("X-Control", "a\x01b"), ("X-Accent", "\u00e9t\u00e9")],
)
def test_a_header_that_azure_would_not_send_is_a_500_that_names_it(host: HostProcess, name: str, value: str) -> None:
    response = host.get("/api/returns/header", json={name: value})
    assert response.status_code == 500
    assert ascii(name).strip("'") in response.json()["error"]
    assert host.get("/api/returns/header", json={"X-Plain": "a\tb ~"}).headers["X-Plain"] == "a\tb ~"


def test_the_host_sets_the_length_itself(host: HostProcess) -> None:
    response = host.get("/api/returns/wrong-length")
    assert (response.text, response.headers["Content-Length"]) == ("four", "4")


def test_a_named_http_output_is_204_until_it_is_set(host: HostProcess) -> None:
    assert host.get("/api/named").status_code == 204
    assert host.get("/api/named?set=1").status_code == 202


def test_head_is_answered_without_a_body_where_the_function_takes_it(host: HostProcess) -> None:
    response = host.request("HEAD", "/api/headed")
    assert (response.status_code, response.content, response.headers["X-Method"]) == (200, b"", "HEAD")


def test_a_preflight_is_answered_by_the_host(host: HostProcess) -> None:
    headers = {"Origin": "http://x", "Access-Control-Request-Method": "POST"}
    response = host.request("OPTIONS", "/api/get-only", headers=headers)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "http://x"
    assert (
        host.get("/api/get-only", headers={"Origin": "http://x"}).headers["Access-Control-Allow-Origin"] == "http://x"
    )
    assert "Access-Control-Allow-Origin" not in host.get("/api/get-only", headers={"Origin": "http://y"}).headers


def test_a_route_of_the_host_is_refused_and_the_other_functions_run(host: HostProcess) -> None:
    host.wait_for("The 'conflicting' function is in error: The specified route conflicts with one or more built in")
    status = host.get("/admin/functions/conflicting/status").json()
    assert "conflicts" in status["errors"][0]


def test_a_disabled_function_is_listed_so_and_answers_local_callers(host: HostProcess) -> None:
    assert "Function switched_off is disabled." in host.output
    assert host.get("/admin/functions/switched_off").json()["isDisabled"] is True
    assert host.get("/api/switched-off").text == "still answers locally"


def test_malformed_http_is_a_400_and_the_host_continues(host: HostProcess) -> None:
    address = urlsplit(host.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(b"NONSENSE\r\n\r\n")
        assert b"400" in raw.recv(1000).split(b"\r\n")[0]
    assert host.get("/api/get-only").text == "got"


def test_an_app_of_http_functions_needs_no_storage(host: HostProcess) -> None:
    assert "Storage:" not in host.output


def test_admin_routes_tell_about_the_host(host: HostProcess) -> None:
    assert host.get("/admin/host/status").json()["state"] == "Running"
    assert host.get("/admin/host/ping").status_code == 200
    assert host.post("/admin/host/ping").status_code == 200
    names = [function["name"] for function in host.get("/admin/functions").json()]
    assert names == sorted(names, key=str.upper)
    described = host.get("/admin/functions/A").json()
    assert described["invoke_url_template"] == f"{host.base_url}/api/items/{{id:int}}"
    assert described["config"]["bindings"][0]["type"] == "httpTrigger"
    assert host.get("/admin/functions/nobody").status_code == 404
    assert "up and running" in host.get("/").text


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Host": "localhost", "Origin": "null"}]
)
def test_management_routes_are_for_local_callers_and_functions_for_all(
    host: HostProcess, headers: dict[str, str]
) -> None:
    assert host.get("/admin/host/status", headers=headers).status_code == 403
    assert host.get("/runtime/webhooks/durabletask/instances", headers=headers).status_code == 403
    assert host.get("/api/get-only", headers=headers).status_code == 200


def test_a_function_is_invoked_by_hand(host: HostProcess) -> None:
    assert host.post("/admin/functions/get_only", json={}).status_code == 202
    told = host.post("/admin/functions/returns?wait=true", json={"input": '{"text": "by hand"}'}).json()
    assert told["status"] == "Failed"
    assert host.post("/admin/functions/nobody", json={}).status_code == 404
    assert host.post("/admin/functions/a", data="x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert host.post("/admin/functions/a", data="{", headers={"Content-Type": "application/json"}).status_code == 400
