"""Requests and routes: rows 9 to 15 of the page functions-host. One host without a route prefix answers them all.

Source: docs/protocol/functions-host-http.md#requests,
    docs/protocol/functions-host-http.md#route-templates,
    docs/protocol/functions-host-http.md#built-in-routes
"""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import make_mocked_request
from host_process import HostProcess, write_app

from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.web.keys.access import Access
from durable_host.web.keys.keyring import Grant, Level

pytestmark = pytest.mark.process

APP = """
import json
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def told(req, function):
    return json.dumps({"function": function, "method": req.method, "url": req.url, "params": dict(req.params),
                       "route": dict(req.route_params), "size": len(req.get_body())})


@app.route(route="fixed/{value}")
def a_fixed(req: func.HttpRequest) -> str:
    return told(req, "fixed")


@app.route(route="files/{*rest}")
def b_files(req: func.HttpRequest) -> str:
    return told(req, "files")


@app.route(route="got", methods=["GET"])
def c_got(req: func.HttpRequest) -> str:
    return told(req, "got")


@app.route(route="{first}/{*rest}")
def z_all(req: func.HttpRequest) -> str:
    return told(req, "all")
"""
HOST_JSON = {"version": "2.0", "extensions": {"http": {"routePrefix": "", "customHeaders": {"X-Custom": "of all"}}}}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    files = {"function_app.py": APP, "host.json": json.dumps(HOST_JSON)}
    settings = {"FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "1000"}
    host = HostProcess(write_app(tmp_path_factory.mktemp("http"), files), settings)
    yield host.start()
    host.end()


def exchanged(host: HostProcess, target: str, method: str = "GET", headers: bytes = b"") -> tuple[int, bytes]:
    """Status and body of the answer to a request that no client changes on its way."""
    address = urlsplit(host.base_url)
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as raw:
        raw.sendall(head + headers + b"\r\n")
        answer = b""
        while data := raw.recv(65536):
            answer += data
    return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]


def told(host: HostProcess, target: str, method: str = "GET") -> dict[str, Any]:
    """What the function that answers has seen."""
    status, body = exchanged(host, target, method)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("k=1&K=3", {"k": "1,3"}),
        ("K=1&k=3&k=4", {"K": "1,3,4"}),
        ("Name=x&other=y", {"Name": "x", "other": "y"}),
    ],
)
def test_names_in_the_query_have_no_case(host: HostProcess, query: str, expected: dict[str, str]) -> None:
    """functions-host 9: one parameter with both values, in the first spelling."""
    assert told(host, f"/fixed/a?{query}")["params"] == expected


@pytest.mark.parametrize("name", ["code", "Code", "CODE"])
async def test_the_key_in_the_query_has_no_case(name: str) -> None:
    """functions-host 9: `?Code=` is the key of a function, too."""

    class Keys:
        async def grant_of(self, key: str, function: str | None) -> Grant:
            return Grant(Level.FUNCTION if key == "right" else Level.ANONYMOUS)

    access = Access(Keys())  # pyright: ignore[reportArgumentType]
    function = FunctionMetadata(name="f", bindings=(Binding("req", "httpTrigger", "in", {}),))
    assert await access.allows(make_mocked_request("GET", f"/api/f?{name}=right"), function)
    assert not await access.allows(make_mocked_request("GET", f"/api/f?{name}=wrong"), function)


@pytest.mark.parametrize(
    ("path", "function", "route"),
    [
        ("/files/a/b/", "files", {"rest": "a/b/"}),
        ("/files/a/b", "files", {"rest": "a/b"}),
        ("/files/a//b", "files", {"rest": "a//b"}),
        ("/files/", "files", {}),
        ("/files", "files", {}),
        ("/fixed/a/", "fixed", {"value": "a"}),
    ],
)
def test_a_catch_all_value_keeps_its_slash(host: HostProcess, path: str, function: str, route: dict[str, str]) -> None:
    """functions-host 10: a slash at the end is ignored only for fixed templates."""
    answer = told(host, path)
    assert (answer["function"], answer["route"]) == (function, route)


def test_a_catch_all_value_does_not_begin_with_a_slash(host: HostProcess) -> None:
    """functions-host 10: `/files//a` does not run the function."""
    assert exchanged(host, "/files//a")[0] == 404
    assert exchanged(host, "//a")[0] == 404


@pytest.mark.parametrize("path", ["/admin/none", "/runtime/zz", "/admin/host/none", "/Admin/x/y/z"])
def test_paths_without_a_built_in_route_reach_functions(host: HostProcess, path: str) -> None:
    """functions-host 11: built-in routes win only where there is one."""
    assert told(host, path)["function"] == "all"


@pytest.mark.parametrize("path", ["/admin/host/status", "/admin/functions", "/ADMIN/functions/z_all/status"])
def test_built_in_routes_win(host: HostProcess, path: str) -> None:
    """functions-host 11: where the host has a route, no function is asked."""
    response = host.get(path)
    assert response.status_code == 200
    assert "function" not in response.json()


@pytest.mark.parametrize("path", ["/admin/host/ping", "/admin/host/status", "/", "//none", "/fixed/a"])
def test_custom_headers_are_on_all_answers(host: HostProcess, path: str) -> None:
    """functions-host 12: also on those of the host itself."""
    assert host.get(path).headers["X-Custom"] == "of all"


@pytest.mark.differs("large-bodies")
def test_a_body_over_the_limit_is_a_413(host: HostProcess) -> None:
    """functions-host 13: stays different, the reference answers an empty 500 and closes the connection."""
    response = host.post("/fixed/a", data=b"x" * 1001)
    assert response.status_code == 413
    assert "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT" in response.text
    assert told(host, "/fixed/a")["size"] == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "FOO"])
def test_the_home_page_answers_all_methods(host: HostProcess, method: str) -> None:
    """functions-host 14: the path decides, not the method."""
    status, body = exchanged(host, "/", method)
    assert status == 200
    assert (b"<html" in body) == (method != "HEAD")


@pytest.mark.parametrize(
    ("path", "function", "url"),
    [
        ("/none/../fixed/a", "fixed", "/fixed/a"),
        ("/none/%2e%2E/fixed/a", "fixed", "/fixed/a"),
        ("/../../fixed/./a", "fixed", "/fixed/a"),
        ("/fixed/a/b/..", "fixed", "/fixed/a/"),
        ("/files/a/../b?x=/../y", "files", "/files/b?x=/../y"),
        ("/fixed/.a..", "fixed", "/fixed/.a.."),
    ],
)
def test_dots_are_resolved_before_routing(host: HostProcess, path: str, function: str, url: str) -> None:
    """functions-host 15: `..` in the path."""
    answer = told(host, path)
    assert answer["function"] == function
    assert answer["url"] == f"http://localhost{url}"


def test_dots_lead_to_built_in_routes_too(host: HostProcess) -> None:
    """functions-host 15: the resolved path is the path."""
    status, body = exchanged(host, "/x/../admin/host/status")
    assert status == 200
    assert json.loads(body)["state"] == "Running"


@pytest.mark.parametrize("path", ["/fixed/a%00b", "/files/%00", "/%00", "/admin/host/%00"])
def test_a_null_character_in_the_path_is_refused(host: HostProcess, path: str) -> None:
    """functions-host 15: 400."""
    assert exchanged(host, path)[0] == 400


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/fixed/%ff", {"value": "%ff"}),
        ("/fixed/%C3%A4%FFb%c3", {"value": "ä%FFb%c3"}),
        ("/fixed/%zz%", {"value": "%zz%"}),
        ("/fixed/a%2Fb", {"value": "a%2Fb"}),
    ],
)
def test_what_cannot_be_decoded_stays_in_the_route(host: HostProcess, path: str, values: dict[str, str]) -> None:
    """functions-host 15: undecodable `%ff` stays `%ff`."""
    assert told(host, path)["route"] == values


def test_what_cannot_be_decoded_stays_in_the_query(host: HostProcess) -> None:
    """functions-host 15: the same for parameters."""
    assert told(host, "/fixed/a?k=%ff&l=%C3%A4+b&%fe=1")["params"] == {"k": "%ff", "l": "ä b", "%fe": "1"}


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/fixed/a%252Fb", "/fixed/a%2Fb"),
        ("/fixed/a%20b?x=A%20B", "/fixed/a%20b?x=A%20B"),
        ("/fixed/%C3%A4%41", "/fixed/%C3%A4A"),
        ("/fixed/%ff", "/fixed/%ff"),
    ],
)
def test_the_url_is_decoded_and_encoded_again(host: HostProcess, path: str, url: str) -> None:
    """functions-host 15: `a%252Fb` shows in `req.url` as `a%2Fb`."""
    assert told(host, path)["url"] == f"http://localhost{url}"


@pytest.mark.parametrize("method", ["FOO", "get", "PROPFIND", "G", "M-X"])
def test_made_up_methods_reach_functions(host: HostProcess, method: str) -> None:
    """functions-host 15: any method for a function without `methods`; their case does not count."""
    assert told(host, "/fixed/a", method)["method"] == method.upper()
    assert told(host, "/got", method)["function"] == ("got" if method == "get" else "all")


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/fixed/" + "a" * 9_000, b"", 414),
        ("/fixed/a", b"X-Long: " + b"a" * 33_000 + b"\r\n", 431),
        ("/fixed/a", b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1_000) for number in range(40)), 431),
        ("/fixed/a", b"".join(b"X-%d: a\r\n" % number for number in range(101)), 431),
        ("/fixed/a", b"X-Name: \xff\xfe\r\n", 400),
    ],
    ids=["URL", "one header", "all headers", "number of headers", "not UTF-8"],
)
def test_what_the_web_server_refuses(host: HostProcess, target: str, headers: bytes, status: int) -> None:
    """functions-host 15: long lines, long headers, bytes of headers that are not UTF-8."""
    assert exchanged(host, target, headers=headers)[0] == status
