"""Random requests on all routes of both ports: a 500 comes only from the app's own code or where Azure returns it too,
the log has no error of the host, and the host continues.
"""

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from host_process import HostProcess, hub_settings, until, write_app
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

APP = """
import json
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="ok/{*rest}")
def ok(req: func.HttpRequest) -> str:
    return "ok"


@app.route(route="fails")
def fails(req: func.HttpRequest) -> str:
    raise ValueError("the app's own")


@app.route(route="rpc")
@app.durable_client_input(client_name="client")
async def rpc(req, client):
    return client._orchestration_bindings.rpc_base_url


@app.orchestration_trigger(context_name="context")
def same(context):
    return "done"


@app.entity_trigger(context_name="context")
def counter(context):
    context.set_state(1)


@app.activity_trigger(input_name="given")
def act(given: str) -> str:
    return "done"


@app.timer_trigger(arg_name="t", schedule="0 0 0 1 1 *")
def tick(t: func.TimerRequest) -> None:
    pass


@app.queue_trigger(arg_name="msg", queue_name="hostile", connection="AzureWebJobsStorage")
def queued(msg: func.QueueMessage) -> None:
    pass


@app.blob_trigger(arg_name="blob", path="hostile/{name}", connection="AzureWebJobsStorage", source="EventGrid")
def blobbed(blob: func.InputStream) -> None:
    pass


@app.event_grid_trigger(arg_name="event")
def told(event: func.EventGridEvent) -> None:
    pass
"""

HUB = (
    "/orchestrators/same", "/orchestrators/same/{}", "/orchestrators/{}/{}", "/instances", "/instances/{}",
    "/instances/{}/raiseEvent/{}", "/instances/{}/terminate", "/instances/{}/suspend", "/instances/{}/resume",
    "/instances/{}/rewind", "/instances/{}/restart", "/instances/{}/restartWithOptions", "/instances/{}/{}",
    "/entities", "/entities/counter", "/entities/{}", "/entities/counter/{}", "/entities/{}/{}", "/makeprimary", "/{}",
)  # fmt: skip
MAIN = (
    "", "/", "/{}", "/api/ok/{}", "/api/{}", "*", "http://localhost/api/ok/{}",
    *(f"/admin/host/{name}" for name in (
        "status", "ping", "config", "processes", "synctriggers", "drain", "drain/status", "resume", "state", "log",
        "debug", "scale/status", "keys", "keys/{}", "functionkeys", "functionkeys/{}", "systemkeys/{}", "{}",
    )),
    "/admin/warmup", "/admin/functions", "/admin/functions/{}", "/admin/functions/ok", "/admin/functions/ok/status",
    "/admin/functions/act", "/admin/functions/tick", "/admin/functions/queued", "/admin/functions/blobbed",
    "/admin/functions/told", "/admin/functions/ok/keys", "/admin/functions/ok/keys/{}", "/admin/{}", "/admin/{}/{}",
    "/runtime/webhooks/blobs", "/runtime/webhooks/eventgrid", "/runtime/webhooks/mcp", "/runtime/webhooks/mcp/sse",
    "/runtime/webhooks/mcp/message", "/runtime/webhooks/{}", "/runtime/{}",
    *(f"/runtime/webhooks/durabletask{path}" for path in HUB),
)  # fmt: skip
RPC = (*(f"/durabletask{path}" for path in HUB), "/", "/{}", "*")

SEGMENTS = [
    b"a", b"%00", b"%ff", b"%ED%A0%80", b"..", b"%2e%2e", b"a%2Fb", b"@x@y", b"@counter@k", b"@", b"$", b"'", b"''",
    b"%25", b"%", b"%zz", b"+", b";", b"%0d%0aX-Injected:%20y", b'"', b"<script>", b"\xff", b"\xc3\xa4", b"%C3%A4",
    b"%F0%9F%92%A9", b"%EF%BF%BF", b"a b", b"x" * 2000, b"%C2%85", b"", b"%5C", b"%3F", b"%23", b"_master", b"{}",
    b"%7B0%7D", b"*", b"%01",
]  # fmt: skip
VALUES = [
    b"", b"1", b"-1", b"0", b"true", b"nan", b"1e309", b"99999999999999999999", b"2000000000", b"0001-01-01",
    b"1-01-01", b"0001-01-01T00:00:00%2B14:00", b"9999-12-31T23:59:59.9999999-14:00", b"2026-13-45T99:99:99", b"%ff",
    b"%00",
    b"Running,Nonsense", b"'", b"' or 1 eq 1", b"%F0%9F%92%A9", b"\xff", b"%", b"x" * 3000, b"NoSuchHub", b"same hub!",
    b"Host.Functions.blobbed", b"told", b"%ED%A0%80", b"2026-01-01T00:00:00.12345678901234567890Z",
]  # fmt: skip
NAMES = [
    b"taskHub", b"connection", b"createdTimeFrom", b"createdTimeTo", b"runtimeStatus", b"top", b"instanceIdPrefix",
    b"showHistory", b"showHistoryOutput", b"showInput", b"returnInternalServerErrorOnFailure", b"reason", b"op",
    b"timeout", b"pollingInterval", b"version", b"restartWithNewInstanceId", b"newInstanceId", b"fetchState",
    b"lastOperationTimeFrom", b"lastOperationTimeTo", b"code", b"functionName", b"wait", b"sessionId", b"%ff", b"",
]  # fmt: skip
HEADERS = [
    b"Content-Type", b"Content-Encoding", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Origin", b"Accept",
    b"Sec-Fetch-Site", b"traceparent", b"tracestate", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"Cookie", b"Host",
    b"x-ms-continuation-token", b"x-functions-key", b"aeg-event-type", b"WebHook-Request-Origin", b"Upgrade",
    b"Connection", b"Range", b"If-Match", b"Authorization", b"Mcp-Session-Id", b"Access-Control-Request-Method",
    b"X-Azure-Functions-InvocationId", b"Last-Event-ID", b"MCP-Protocol-Version",
]  # fmt: skip
HEADER_VALUES = [
    b"", b"\xff", b"\xc3\xa4", b"application/json", b"application/json; charset=utf-16", b"text/html", b"a/b/c;;=",
    b"multipart/form-data", b"application/x-www-form-urlencoded", b"gzip", b"br", b"chunked", b"chunked, chunked",
    b"100-continue", b"close, \xfe", b"h2c", b"websocket", b"-1", b"5", b"99999999999999999999", b"http://[::", b"null",
    b"cross-site", b"same-origin", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", b"%%%", b"a b c",
    b"Notification", b"SubscriptionValidation", b"localhost", b"evil.example", b"[::1", b"x" * 20_000, b"\x01",
    b"1!8!AAAA 1!4!BBBB", b"!", b" ", b"localhost:99999999", b"bytes=0-",
]  # fmt: skip
BODIES = [
    b"", b"null", b"1", b'"text"', b"[]", b"{}", b"{", b"\xff\xfe", b'"\xff"', b'"\\ud800"', b"NaN", b"1e400",
    b"[" * 5000, b'{"a":' * 3000, b"9" * 5000, b'{"value": "\\ud800"}', b'{"value": 1}', b'{"name": "k", "value": "v"}',
    b"\x00",
    b'{"input": "\\ud800"}', b'{"input": {"a": 1}}', b'[{"level": "\\ud800", "message": "\\u001b[31m\\ud800"}]',
    b"[1, null]",
    b'[{"message": {"a": 1}, "source": 5, "level": []}]', b'{"Validation": 1}', b"\x1f\x8b\x08", b'"wrong state"',
    json.dumps([{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "data": {}}]).encode(),
    json.dumps([{"eventType": "Microsoft.Storage.BlobCreated", "data": {"url": "http://[::/\ud800"}}]).encode(),
    json.dumps([{"eventType": "Microsoft.Storage.BlobCreated", "subject": 1, "data": {"url": "http://h/hostile/\ud800",
                 "eTag": {"a": 1}, "blobType": []}}]).encode(),
    json.dumps({"specversion": "1.0", "type": [], "source": None, "id": 5, "data": "\ud800"}).encode(),
    b'{"jsonrpc": "2.0", "id": [], "method": 5}', b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}',
]  # fmt: skip
METHODS = [
    b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND", b"get",
    b"\xff", b"BREW", b"PRI",
]  # fmt: skip


def target(paths: tuple[str, ...]) -> st.SearchStrategy[bytes]:
    """A path with hostile segments in place of `{}`, and a hostile query."""

    def filled(path: str, segments: list[bytes], query: list[tuple[bytes, bytes]]) -> bytes:
        text = path.encode()
        for segment in segments[: path.count("{}")]:
            text = text.replace(b"{}", segment, 1)
        return text + (b"?" + b"&".join(name + b"=" + value for name, value in query) if query else b"")

    segments = st.lists(st.sampled_from(SEGMENTS), min_size=2, max_size=2)
    query = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=3)
    return st.builds(filled, st.sampled_from(paths), segments, query)


METHOD = st.one_of(st.sampled_from(METHODS[:4]), st.sampled_from(METHODS))
PAIRS = st.tuples(st.sampled_from(HEADERS), st.sampled_from(HEADER_VALUES))
HEADER = st.one_of(st.just([]), st.just([(b"Content-Type", b"application/json")]), st.lists(PAIRS, max_size=2))
BODY = st.sampled_from(BODIES)


class Ports:
    """Both ports of one host."""

    def __init__(self, host: HostProcess) -> None:
        self.host = host
        self.rpc = host.get("/api/rpc").text
        self.sent = 0

    def status(
        self, origin: str, method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> int | None:
        """That of the answer; None when the connection is closed without one, as for half a request."""
        lines = [method + b" " + path + b" HTTP/1.1"]
        names = {name.lower() for name, _ in headers}
        if b"host" not in names:
            lines.append(b"Host: localhost")
        if body and not names & {b"content-length", b"transfer-encoding"}:
            lines.append(b"Content-Length: %d" % len(body))
        lines += [name + b": " + value for name, value in headers]
        address = urlsplit(origin)
        self.sent += 1
        answer = b""
        waits = b"timeout=" in path
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=2 if waits else 30) as raw:
            try:
                raw.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
                raw.shutdown(socket.SHUT_WR)
                while b"\r\n\r\n" not in answer and (data := raw.recv(65536)):
                    answer += data
            except ConnectionError:
                pass
            except TimeoutError:
                assert waits, f"no answer to {method!r} {path!r}"
        statuses = [int(line.split(b" ")[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]
        return statuses[-1] if statuses else None


@pytest.fixture(scope="module", params=["azure", "sqlite"])
def ports(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connection_string: str
) -> Iterator[Ports]:
    provider = {"type": "sqlite"} if request.param == "sqlite" else {}
    files = {
        "function_app.py": APP,
        "host.json": json.dumps(
            {
                "version": "2.0",
                "extensions": {
                    "durableTask": {"storageProvider": provider, "useForwardedHost": request.param == "sqlite"}
                },
            }
        ),
    }
    host = HostProcess(write_app(tmp_path_factory.mktemp("hostile"), files), hub_settings(connection_string))
    yield Ports(host.start())
    host.end()


OURS = settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


ALSO_IN_AZURE = re.compile(rb"[?&](taskhub|connection|timeout|pollinginterval)=|/synctriggers", re.IGNORECASE)
"""An unknown hub or connection, times that are too long, and a call that only works in Azure."""


@OURS
@given(METHOD, target(MAIN), HEADER, BODY)
@example(b"GET", b"/", [(b"Expect", b"\xff")], b"")
@example(b"PUT", b"/admin/host/state", [], b'"\xff"')
@example(b"POST", b"/admin/host/log", [], b'["\xff"]')
@example(b"PUT", b"/admin/host/functionkeys/x", [], b'{"value": "\xff"}')
def test_no_request_to_the_public_port_ends_in_a_500(
    ports: Ports, method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    assert ports.status(ports.host.base_url, method, path, headers, body) != 500 or ALSO_IN_AZURE.search(path)


@OURS
@given(METHOD, target(RPC), HEADER, BODY)
@example(b"POST", b"/durabletask/orchestrators/same", [(b"Expect", b"\xff")], b"1")
def test_no_request_to_the_port_of_the_sdk_ends_in_a_500(
    ports: Ports, method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    assert ports.status(ports.rpc, method, path, headers, body) != 500 or ALSO_IN_AZURE.search(path)


def test_the_host_went_on_and_found_nothing_wrong_with_itself(ports: Ports) -> None:
    host = ports.host
    assert host.get("/api/ok/x").text == "ok"
    assert host.get("/api/fails").status_code == 500
    host.wait_for("the app's own")
    assert host.get("/admin/host/status").json()["state"] == "Running"

    def has_only_those_of_the_app() -> bool:
        tracebacks = [line for line in host.lines if "Traceback" in line]
        return len(tracebacks) == host.output.count("Exception: ValueError: the app's own")

    until(has_only_those_of_the_app, host=host)
    assert [line for line in host.lines if "aiohttp" in line] == []
