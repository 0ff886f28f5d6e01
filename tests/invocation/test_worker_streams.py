"""HTTP functions of azurefunctions-extensions-http-fastapi: recognizing them, and streaming their calls.

Source: docs/protocol/functions-host-http.md#streamed-requests
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from loop_time import skip
from worker_apps import RunningApp, eventually, http, index_of, messages, running

from durable_host.invocation.datum import NONE, string
from durable_host.invocation.errors import ClientGone, FunctionFailed, FunctionTimedOut, WorkerLost
from durable_host.invocation.http_exchange import RequestHead
from durable_host.invocation.requests import InvocationRequest, InvocationResponse
from durable_host.worker.http_stream import PIECE, WINDOW

HEADER = """
import asyncio, json, logging, os, time
import azure.functions as func
from azurefunctions.extensions.http.fastapi import (
    FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Request, Response, StreamingResponse
)
app = func.FunctionApp()
SEEN = []

@app.route("seen")
def seen(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(SEEN))
"""
ON_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
"""For tests that share a worker."""
INDEXED = {"PYTHON_ENABLE_INIT_INDEXING": "1"}


class Client:
    """An exchange as tests want it: `pieces` of a body, then silence until `leave`; writes wait while `is_slow`."""

    def __init__(self, path: str = "/api/f", pieces: list[bytes] | None = None, **head: Any) -> None:
        self.head = RequestHead(
            **{"method": "GET", "path": path, "headers": (("host", "here:1"),), **head}, has_body=pieces is not None
        )
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.has_ended = False
        self.reads = 0
        self.more: Callable[[], bytes] | None = None
        self.takes = asyncio.Event()
        self.takes.set()
        self.begun = asyncio.Event()
        self.has_data = asyncio.Event()
        self._gone = asyncio.Event()
        self._pieces = list(pieces or ())

    async def read(self) -> bytes:
        self.reads += 1
        await asyncio.sleep(0)
        if self._pieces:
            return self._pieces.pop(0)
        return self.more() if self.more is not None else b""

    async def wait_disconnected(self) -> str:
        await self._gone.wait()
        return "The client closed the connection."

    def leave(self) -> None:
        self._gone.set()

    async def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.status, self.headers = status, headers
        self.begun.set()

    async def write(self, data: bytes) -> None:
        await self.takes.wait()
        self.body += data
        self.has_data.set()

    async def end(self) -> None:
        self.has_ended = True

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


async def stream(app: RunningApp, function: str, client: Client, **options: Any) -> InvocationResponse:
    inputs = {app.function(function).trigger.name: NONE, **options.pop("inputs", {})}
    request = InvocationRequest(function=function, invocation_id=str(uuid.uuid4()), inputs=inputs)
    return await app.pool.invoke(request, exchange=client, **options)


async def seen(app: RunningApp) -> list[Any]:
    return json.loads((await app.get("seen")).body)


def code(text: str) -> dict[str, str]:
    return {"function_app.py": HEADER + text}


# Which functions stream


SIGNATURES = {
    "async def f0(req: Request) -> StreamingResponse": True,
    "def f1(req: Request) -> str": True,
    "def f2(req: Request)": True,
    "def f3(req)": True,
    "def f4(req) -> JSONResponse": True,
    "def f5(req) -> dict": True,
    "def f6(req: func.HttpRequest)": False,
    "def f7(req: func.HttpRequest) -> func.HttpResponse": False,
    "def f8(req) -> func.HttpResponse": False,
}


async def test_functions_stream_by_the_types_of_their_signature(tmp_path: Path):
    text = "".join(f"@app.route('f{number}')\n{signature}: ...\n" for number, signature in enumerate(SIGNATURES))
    index = await index_of(tmp_path, code(text), settings=INDEXED)
    assert index.errors == ()
    found = {one.name: one.streams_http for one in index.functions}
    assert found == {"seen": False, **{f"f{number}": streams for number, streams in enumerate(SIGNATURES.values())}}


async def test_without_the_extension_imported_nothing_streams(tmp_path: Path):
    index = await index_of(tmp_path, "@app.route('f')\ndef f(req): ...\n")
    assert [one.streams_http for one in index.functions] == [False]
    assert index.warnings == ()


async def test_responses_that_the_extension_does_not_know_are_an_error(tmp_path: Path):
    text = """
@app.route("a")
def a(req: Request) -> func.HttpResponse: ...

@app.route("b")
def b(req: Request) -> bytes: ...

@app.route("c")
def c(req: Request) -> Response | str: ...
"""
    index = await index_of(tmp_path, code(text))
    errors = {problem.function: problem.message for problem in index.errors}
    assert list(errors) == ["a", "b", "c"]
    assert 'Python return annotation "HttpResponse" does not match binding type "http"' in errors["a"]
    assert 'Python return annotation "bytes" does not match binding type "http"' in errors["b"]
    assert "has invalid non-type return annotation" in errors["c"]


async def test_fastapis_own_request_without_the_extension_is_an_error_that_names_it(tmp_path: Path):
    index = await index_of(tmp_path, "from fastapi import Request\n@app.route('f')\ndef f(req: Request): ...\n")
    assert "can be the Request of azurefunctions.extensions.http.fastapi" in index.errors[0].message


async def test_an_app_that_azure_would_refuse_for_its_mixture_is_warned_of(tmp_path: Path):
    index = await index_of(tmp_path, code("@app.route('f')\ndef f(req: Request): ...\n"), settings=INDEXED)
    assert len(index.warnings) == 1
    assert index.warnings[0].startswith(
        "Azure would not run any function of this app: it imports azurefunctions.extensions"
    )
    assert "but seen take azure.functions.HttpRequest" in index.warnings[0]


async def test_the_setting_that_azure_needs_is_asked_for_on_old_pythons(tmp_path: Path):
    app = HEADER.split("@app.route", maxsplit=1)[0] + "@app.route('f')\ndef f(req: Request): ...\n"
    without = await index_of(
        tmp_path / "without", {"function_app.py": app}, settings={"PYTHON_ENABLE_INIT_INDEXING": ""}
    )
    with_it = await index_of(tmp_path / "with", {"function_app.py": app}, settings=INDEXED)
    is_needed = tuple(map(int, without.python_version.split(".")[:2])) < (3, 13)
    assert ["PYTHON_ENABLE_INIT_INDEXING=1" in text for text in without.warnings] == [True] * is_needed
    assert with_it.warnings == ()


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("from azurefunctions.extensions.http.nowhere import Request", "azurefunctions-extensions-http-nowhere"),
        ("import azurefunctions.extensions.bindings.queue as queue", "azurefunctions-extensions-bindings-queue"),
    ],
)
async def test_an_extension_that_is_not_installed_is_named_by_its_package(tmp_path: Path, line: str, package: str):
    index = await index_of(tmp_path, {"function_app.py": line})
    assert f"Add {package} to requirements.txt" in index.failure.remedy  # type: ignore[union-attr]


# Requests and responses

KINDS = """
from pydantic import BaseModel

class Model(BaseModel):
    n: int = 1

MADE = {
    "str": lambda: "ä", "dict": lambda: {"a": 1}, "list": lambda: [1], "int": lambda: 5, "bool": lambda: True,
    "float": lambda: 1.5, "model": Model, "json": lambda: JSONResponse({"b": 2}, 201),
    "html": lambda: HTMLResponse("<p>"), "text": lambda: PlainTextResponse("t"),
    "redirect": lambda: RedirectResponse("/there"), "empty": lambda: Response(status_code=204),
    "stream": lambda: StreamingResponse(iter([b"one ", "two"]), media_type="text/plain"),
    "file": lambda: FileResponse(__file__, media_type="text/x"),
}

@app.route("f/{kind}")
async def f(req: Request):
    return MADE[req.path_params["kind"]]()
"""


@pytest.fixture(scope="module")
def kinds_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.mark.parametrize("kind_of_function", ["async def", "def"])
async def test_results_are_answered_as_the_extension_does(kinds_root: Path, kind_of_function: str):
    expected: dict[str, tuple[int, list[str], bytes]] = {
        "str": (200, ["application/json"], '"ä"'.encode()),
        "dict": (200, ["application/json"], b'{"a":1}'),
        "list": (200, ["application/json"], b"[1]"),
        "int": (200, ["application/json"], b"5"),
        "bool": (200, ["application/json"], b"true"),
        "float": (200, ["application/json"], b"1.5"),
        "model": (200, ["application/json"], b'{"n":1}'),
        "json": (201, ["application/json"], b'{"b":2}'),
        "html": (200, ["text/html; charset=utf-8"], b"<p>"),
        "text": (200, ["text/plain; charset=utf-8"], b"t"),
        "redirect": (307, [], b""),
        "empty": (204, [], b""),
        "stream": (200, ["text/plain; charset=utf-8"], b"one two"),
    }
    text = KINDS.replace("async def", kind_of_function)
    async with running(kinds_root / kind_of_function.split(maxsplit=1)[0], code(text)) as app:
        for kind, wanted in expected.items():
            client = Client(f"/api/f/{kind}", params={"kind": kind})
            await stream(app, "f", client)
            assert (client.status, client.header("content-type"), client.body) == wanted, kind
            assert client.has_ended
        client = Client("/api/f/file", params={"kind": "file"}, headers=(("Range", "bytes=1-6"),))
        await stream(app, "f", client)
        assert (client.status, client.body) == (206, b"import")
        client = Client("/api/f/stream", params={"kind": "stream"}, method="HEAD")
        await stream(app, "f", client)
        assert (client.status, client.body, client.has_ended) == (200, b"", True)


async def test_the_request_is_as_the_client_sent_it(tmp_path: Path):
    text = """
@app.route("f/{x}")
async def f(req: Request, context: func.Context) -> dict:
    return {
        "host": req.url.netloc, "path": req.url.path, "raw_path": req.scope["raw_path"].decode(),
        "method": req.method, "params": req.path_params, "query": req.query_params.multi_items(),
        "headers": req.headers.items(), "client": req.client, "cookies": req.cookies,
        "body": (await req.body()).decode(), "context": context.function_name, "version": req.scope["http_version"],
    }
"""
    async with running(tmp_path, code(text)) as app:
        client = Client(
            "/api/f/a%20b",
            [b"one ", b"two"],
            method="POST",
            query="q=%C3%A4&q=2&empty=",
            headers=(("Host", "here:1"), ("X-A", "1"), ("x-a", "2"), ("X-L", "\xe4"), ("Cookie", "a=1; b=2")),
            params={"x": "a b"},
            client=("1.2.3.4", 5),
        )
        await stream(app, "f", client)
    assert json.loads(client.body) == {
        "host": "here:1",
        "path": "/api/f/a b",
        "raw_path": "/api/f/a%20b",
        "method": "POST",
        "params": {"x": "a b"},
        "query": [["q", "ä"], ["q", "2"], ["empty", ""]],
        "headers": [["host", "here:1"], ["x-a", "1"], ["x-a", "2"], ["x-l", "ä"], ["cookie", "a=1; b=2"]],
        "client": ["1.2.3.4", 5],
        "cookies": {"a": "1", "b": "2"},
        "body": "one two",
        "context": "f",
        "version": "1.1",
    }


async def test_a_function_may_have_the_path_of_a_page_of_the_framework(tmp_path: Path):
    async with running(
        tmp_path, code("@app.route('docs')\ndef docs(req: Request) -> str:\n    return 'mine'\n")
    ) as app:
        client = Client("/docs")
        await stream(app, "docs", client)
        assert client.body == b'"mine"'


async def test_other_bindings_work_beside_the_stream(tmp_path: Path):
    text = """
@app.route("f")
@app.blob_input("given", path="a/b", connection="")
@app.queue_output("out", queue_name="q", connection="")
async def f(req: Request, given: str, out: func.Out[str]) -> StreamingResponse:
    out.set("told")
    async def parts():
        yield given
    return StreamingResponse(parts())
"""
    async with running(tmp_path, code(text)) as app:
        client = Client()
        response = await stream(app, "f", client, inputs={"given": string("from the blob")})
        assert (client.body, response.outputs, response.return_value) == (
            b"from the blob",
            {"out": string("told")},
            None,
        )


# Failures

FAILURES = """
from fastapi import HTTPException

@app.route("raises")
async def raises(req: Request):
    raise ValueError("boom")

@app.route("plain")
def plain(req: Request):
    raise ValueError("boom")

@app.route("later")
async def later(req: Request):
    async def parts():
        yield b"one"
        raise ValueError("boom")
    return StreamingResponse(parts())

@app.route("known")
async def known(req: Request):
    raise HTTPException(404, "no such thing", {"X-A": "1"})

@app.route("none")
async def none(req: Request):
    pass

@app.route("wrong")
async def wrong(req: Request):
    return func.HttpResponse("x")

@app.route("long")
async def long(req: Request):
    return StreamingResponse(iter([b"x" * 10]), headers={"content-length": "5"})

@app.route("short")
async def short(req: Request):
    return StreamingResponse(iter([b"x"]), headers={"content-length": "5"})

@app.route("dies")
async def dies(req: Request):
    async def parts():
        yield b"one"
        while not os.path.exists("die"):
            await asyncio.sleep(0.01)
        os._exit(3)
    return StreamingResponse(parts())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def failing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    async with running(tmp_path_factory.mktemp("failing"), code(FAILURES)) as app:
        yield app


@ON_ONE_LOOP
async def test_failures_are_reported_with_the_users_own_lines(failing: RunningApp):
    for name, place, status in (("raises", "raises", 0), ("plain", "plain", 0), ("later", "parts", 200)):
        client = Client()
        with pytest.raises(FunctionFailed, match="ValueError: boom") as failure:
            await stream(failing, name, client)
        first_frame = failure.value.stack.splitlines()[1]
        assert first_frame.endswith(f"in {place}"), failure.value.stack
        assert (client.status, client.has_ended) == (status, False)


@ON_ONE_LOOP
async def test_an_http_exception_is_the_response_and_fails_the_call(failing: RunningApp):
    client = Client()
    with pytest.raises(FunctionFailed, match="HTTPException: 404: no such thing"):
        await stream(failing, "known", client)
    assert (client.status, client.body, client.has_ended) == (404, b'{"detail":"no such thing"}', True)
    assert client.header("x-a") == ["1"]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("none", "the function 'none' returned None: return a response of azurefunctions.extensions.http.fastapi"),
        ("wrong", r"the function 'wrong' returned an azure.functions.HttpResponse, which belongs to"),
        ("long", "The response is longer than its Content-Length"),
        ("short", "The response is shorter than its Content-Length"),
    ],
)
@ON_ONE_LOOP
async def test_results_that_cannot_be_sent_say_what_to_do(failing: RunningApp, function: str, text: str):
    client = Client()
    with pytest.raises(FunctionFailed, match=text):
        await stream(failing, function, client)
    assert not client.has_ended


async def test_a_worker_that_dies_in_mid_stream_fails_the_call(tmp_path: Path):
    async with running(tmp_path, code(FAILURES)) as app:
        client = Client()
        call = asyncio.create_task(stream(app, "dies", client))
        await eventually(lambda: client.body)
        (tmp_path / "die").touch()
        with pytest.raises(WorkerLost, match="ended with code 3"):
            await call
        assert (client.body, client.has_ended) == (b"one", False)


# Flow

FLOW = """
EVENTS = {}

async def gate(name):
    await EVENTS.setdefault(name, asyncio.Event()).wait()

@app.route("release/{name}")
async def release(req: func.HttpRequest) -> func.HttpResponse:
    EVENTS.setdefault(req.route_params["name"], asyncio.Event()).set()
    return func.HttpResponse()

@app.route("reset")
async def reset(req: func.HttpRequest) -> func.HttpResponse:
    SEEN.clear()
    EVENTS.clear()
    return func.HttpResponse()

@app.route("two")
async def two(req: Request):
    async def parts():
        yield b"one"
        await gate("second")
        yield b"two"
    return StreamingResponse(parts())

@app.route("endless")
async def endless(req: Request):
    async def parts():
        while True:
            SEEN[:] = [sum(SEEN) + 10_000]
            yield b"x" * 10_000
    return StreamingResponse(parts())

@app.route("upload")
async def upload(req: Request) -> dict:
    await gate("read")
    size = 0
    async for chunk in req.stream():
        size += len(chunk)
        if size > 3_000_000:
            break
    return {"size": size}

@app.route("echo")
async def echo(req: Request):
    return StreamingResponse(req.stream())

@app.route("waits")
async def waits(req: Request):
    try:
        SEEN.append("begun")
        await gate("never")
    except BaseException as error:
        SEEN.append(type(error).__name__)
        raise

@app.route("watches")
async def watches(req: Request):
    while not await req.is_disconnected():
        SEEN[:] = [*SEEN, "polled"][:2]
        await asyncio.sleep(0.005)
    SEEN.append("saw it")
    return "bye"

@app.route("reads")
async def reads(req: Request):
    try:
        async for chunk in req.stream():
            SEEN.append(len(chunk))
    except BaseException as error:
        SEEN.append(type(error).__name__)
        raise

@app.route("generates")
async def generates(req: Request):
    async def parts():
        try:
            yield b"one"
            await gate("never")
        except BaseException as error:
            SEEN.append(type(error).__name__)
            raise
        finally:
            SEEN.append("closed")
    return StreamingResponse(parts())

@app.route("plain")
def plain(req: Request):
    SEEN.append("begun")
    while not os.path.exists("end"):
        time.sleep(0.005)
    SEEN.append("ended")
    return "x"

@app.route("numbers")
def numbers(req: Request):
    def parts():
        try:
            while True:
                yield b"1"
        finally:
            SEEN.append("closed")
    return StreamingResponse(parts())

@app.route("background")
async def background(req: Request):
    from starlette.background import BackgroundTask
    async def work():
        await gate("work")
        SEEN.append("worked")
    return PlainTextResponse("ok", background=BackgroundTask(work))

@app.route("tells")
async def tells(req: Request):
    async def parts():
        logging.info("from the generator")
        yield b"x"
    return StreamingResponse(parts())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def flow_app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningApp]:
    async with running(tmp_path_factory.mktemp("flow"), code(FLOW)) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="module")
async def flow(flow_app: RunningApp) -> RunningApp:
    """As if no test had used it."""
    await flow_app.get("reset")
    return flow_app


async def release(app: RunningApp, name: str) -> None:
    await app.get("release", params={"name": name})


@ON_ONE_LOOP
async def test_a_piece_reaches_the_client_before_the_next_one_is_made(flow: RunningApp):
    client = Client()
    call = asyncio.create_task(stream(flow, "two", client))
    await eventually(lambda: client.body == b"one")
    await release(flow, "second")
    await call
    assert (client.body, client.has_ended) == (b"onetwo", True)


@ON_ONE_LOOP
async def test_a_request_is_answered_piece_by_piece_while_it_is_sent(flow: RunningApp):
    client = Client("/api/echo", [b"one"])
    call = asyncio.create_task(stream(flow, "echo", client))
    await asyncio.wait_for(client.begun.wait(), 30)
    await call
    assert client.body == b"one"


@ON_ONE_LOOP
async def test_a_slow_client_holds_the_generator_back(flow: RunningApp):
    client = Client()
    client.takes.clear()
    call = asyncio.create_task(stream(flow, "endless", client))
    await client.begun.wait()
    await eventually_steady(lambda: seen(flow))
    assert sum(await seen(flow)) <= WINDOW + 10_000
    client.takes.set()
    await eventually(lambda: len(client.body) > 4 * WINDOW)
    client.leave()
    with pytest.raises(ClientGone):
        await call


async def eventually_steady(read: Callable[[], Any]) -> None:
    """Until a value, read through the worker, is the same several times in a row."""
    before, same = None, 0
    while same < 5:
        now = await read()
        same = same + 1 if now == before else 0
        before = now


@ON_ONE_LOOP
async def test_a_function_that_does_not_read_holds_the_upload_back(flow: RunningApp):
    client = Client("/api/upload", [])
    client.more = lambda: b"x" * PIECE
    call = asyncio.create_task(stream(flow, "upload", client))
    await eventually(lambda: client.reads * PIECE >= WINDOW)
    for _ in range(5):
        await seen(flow)
    assert client.reads * PIECE <= WINDOW + 2 * PIECE
    await release(flow, "read")
    await call
    assert json.loads(client.body)["size"] > 3_000_000


@pytest.mark.parametrize(
    ("function", "pieces", "told"),
    [
        ("waits", None, ["begun", "CancelledError"]),
        ("watches", None, ["polled", "polled", "saw it"]),
        ("generates", None, ["CancelledError", "closed"]),
    ],
)
@ON_ONE_LOOP
async def test_a_client_that_leaves_ends_the_call(
    flow: RunningApp, function: str, pieces: list[bytes] | None, told: list[str]
):
    client = Client("/api/f", pieces)
    call = asyncio.create_task(stream(flow, function, client))
    if function == "generates":
        await client.has_data.wait()
    else:
        await until_seen(flow, told[:-1])
    client.leave()
    with pytest.raises(ClientGone, match="The client closed the connection"):
        await call
    assert await seen(flow) == told
    assert not client.has_ended


async def until_seen(app: RunningApp, values: list[str]) -> None:
    async with asyncio.timeout(30):
        while await seen(app) != values:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_plain_function_runs_to_its_end_without_its_client(tmp_path: Path):
    async with running(tmp_path, code(FLOW)) as app:
        client = Client()
        call = asyncio.create_task(stream(app, "plain", client))
        await until_seen(app, ["begun"])
        client.leave()
        (tmp_path / "end").touch()
        with pytest.raises(ClientGone):
            await call
        assert (await seen(app), client.status) == (["begun", "ended"], 0)


@ON_ONE_LOOP
async def test_a_plain_generator_is_closed_when_its_client_leaves(flow: RunningApp):
    client = Client()
    call = asyncio.create_task(stream(flow, "numbers", client))
    await client.has_data.wait()  # a generator that has not begun has nothing to close
    client.leave()
    with pytest.raises(ClientGone):
        await call
    await until_seen(flow, ["closed"])


@ON_ONE_LOOP
async def test_a_client_that_leaves_in_mid_upload_ends_the_reading(flow: RunningApp):
    client = Client("/api/reads", [b"12345"])
    broken = ClientGone("The body of the request is malformed.")

    def breaks() -> bytes:
        raise broken

    client.more = breaks
    with pytest.raises(ClientGone, match="malformed"):
        await stream(flow, "reads", client)
    assert (await seen(flow))[-1] == "ClientDisconnect"


async def test_a_call_over_its_time_is_cancelled_in_mid_stream(tmp_path: Path):
    async with running(tmp_path, code(FLOW)) as app:
        client = Client()
        call = asyncio.create_task(stream(app, "generates", client, timeout=60))
        await client.has_data.wait()
        skip(60)
        with pytest.raises(FunctionTimedOut):
            await call
        assert (client.body, client.has_ended) == (b"one", False)
        await until_seen(app, ["CancelledError", "closed"])
        assert app.pool.pids, "an async generator does not cost its process"


@ON_ONE_LOOP
async def test_the_response_is_complete_before_its_background_task(flow: RunningApp):
    client = Client()
    call = asyncio.create_task(stream(flow, "background", client))
    await eventually(lambda: client.has_ended)
    client.leave()
    await release(flow, "work")
    await call
    assert await seen(flow) == ["worked"]


@ON_ONE_LOOP
async def test_what_a_generator_logs_belongs_to_the_call(flow: RunningApp, caplog: pytest.LogCaptureFixture):
    caplog.set_level("INFO")
    await stream(flow, "tells", Client())
    assert messages(caplog, "Function.tells.User") == ["from the generator"]


@ON_ONE_LOOP
async def test_a_response_that_cannot_be_sent_ends_the_call(flow: RunningApp):
    class Refusing(Client):
        async def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
            raise FunctionFailed("InvalidReply", "no such header")

    with pytest.raises(FunctionFailed, match="no such header"):
        await stream(flow, "endless", Refusing())
    assert (await flow.get("seen")).status == 200


@ON_ONE_LOOP
async def test_ordinary_functions_run_beside_streams(flow: RunningApp):
    client = Client()
    call = asyncio.create_task(stream(flow, "two", client))
    await client.begun.wait()
    assert (await flow.call("seen", http())).return_value is not None
    await release(flow, "second")
    await call
