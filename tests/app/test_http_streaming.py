"""Streams of HTTP functions between real clients and a real host.

Source: docs/protocol/functions-host-http.md#streamed-requests
"""

import asyncio
import json
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from host_process import HostProcess, until, write_app

APP = """
import asyncio, json, os
import azure.functions as func
import azure.durable_functions as df
from azurefunctions.extensions.http.fastapi import FileResponse, JSONResponse, Request, Response, StreamingResponse

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


async def gate(name):
    while not os.path.exists(name):
        await asyncio.sleep(0.005)


def mark(name):
    open(name, "w").close()


@app.route("two/{name}", auth_level=func.AuthLevel.ANONYMOUS)
async def two(req: Request) -> StreamingResponse:
    name = req.path_params["name"]
    async def parts():
        yield "data: one\\n\\n"
        await gate(f"{name}-second")
        yield "data: two\\n\\n"
    return StreamingResponse(parts(), media_type="text/event-stream")


@app.route("upload")
async def upload(req: Request) -> JSONResponse:
    sizes = []
    async for piece in req.stream():
        if piece:
            sizes.append(len(piece))
            mark(f"upload-{len(sizes)}")
    return JSONResponse({"sizes": sizes})


@app.route("size", auth_level=func.AuthLevel.ANONYMOUS)
async def size(req: Request) -> dict:
    size = 0
    async for piece in req.stream():
        size += len(piece)
    return {"size": size}


@app.route("echo")
async def echo(req: Request) -> StreamingResponse:
    return StreamingResponse(req.stream())


@app.route("exact")
async def exact(req: Request) -> Response:
    response = Response(b"made", 207, {"X-One": "1", "x-host": "mine"}, "text/x-exact")
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "x y")
    response.headers.append("X-Two", "a")
    response.headers.append("X-Two", "b")
    return response


@app.route("bare")
async def bare(req: Request) -> StreamingResponse:
    return StreamingResponse(iter([b"1", b"2"]))


@app.route("file")
def file(req: Request) -> FileResponse:
    return FileResponse("host.json")


@app.route("megabytes/{count:int}")
async def megabytes(req: Request) -> StreamingResponse:
    async def parts():
        for _ in range(int(req.path_params["count"])):
            yield bytes(1024 * 1024)
    return StreamingResponse(parts())


@app.route("endless/{name}")
async def endless(req: Request) -> StreamingResponse:
    name = req.path_params["name"]
    async def parts():
        try:
            yield b"one"
            await asyncio.Event().wait()
        finally:
            mark(f"{name}-closed")
    return StreamingResponse(parts())


@app.route("dies")
async def dies(req: Request) -> StreamingResponse:
    async def parts():
        yield b"one"
        await gate("die")
        os._exit(3)
    return StreamingResponse(parts())


@app.route("fails")
async def fails(req: Request) -> StreamingResponse:
    async def parts():
        yield b"one"
        raise ValueError("in mid-stream")
    return StreamingResponse(parts())


@app.route("raises")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:00")
async def raises(req: Request) -> StreamingResponse:
    raise ValueError("before the stream")


@app.route("header")
async def header(req: Request) -> Response:
    return Response("x", headers={"X-Bad": "a\\tb\\x7f"})


@app.route("start")
@app.durable_client_input(client_name="client")
async def start(req: Request, client: df.DurableOrchestrationClient) -> JSONResponse:
    return JSONResponse({"id": await client.start_new("flow", None, await req.json())})


@app.orchestration_trigger(context_name="context")
def flow(context):
    return context.get_input()
    yield


@app.route("version")
async def version(req: Request) -> str:
    return "first"
"""
SETTINGS = {
    "FUNCTIONS_WORKER_RUNTIME": "python",
    "PYTHON_ENABLE_INIT_INDEXING": "1",
    "AzureFunctionsJobHost__extensions__durableTask__storageProvider__type": "sqlite",
    "AzureFunctionsJobHost__extensions__durableTask__hubName": "Streams",
}
HOST_JSON = json.dumps({"version": "2.0", "extensions": {"http": {"customHeaders": {"X-Host": "custom"}}}})


@asynccontextmanager
async def session_of(host: HostProcess) -> AsyncIterator[aiohttp.ClientSession]:
    limits = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(f"{host.base_url}/api/", timeout=limits) as session:
        yield session


async def became(path: Path) -> None:
    """Until a file is there."""
    async with asyncio.timeout(30):
        while not path.exists():  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    files = {"function_app.py": APP, "host.json": HOST_JSON}
    host = HostProcess(write_app(tmp_path_factory.mktemp("streams"), files), SETTINGS)
    try:
        yield host.start("--cors", "http://friend")
    finally:
        host.end()


@pytest.fixture
async def session(host: HostProcess) -> AsyncIterator[aiohttp.ClientSession]:
    async with session_of(host) as session:
        yield session


async def test_a_piece_arrives_before_the_next_one_is_made(host: HostProcess, session: aiohttp.ClientSession) -> None:
    async with session.get("two/aiohttp") as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert await response.content.readany() == b"data: one\n\n"
        (host.root / "aiohttp-second").touch()
        assert await response.read() == b"data: two\n\n"


def test_curl_shows_a_piece_before_the_next_one_is_made(host: HostProcess) -> None:
    command = ["curl", "-sN", f"{host.base_url}/api/two/curl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        assert [curl.stdout.readline(), curl.stdout.readline()] == ["data: one\n", "\n"]
        (host.root / "curl-second").touch()
        assert curl.stdout.read() == "data: two\n\n"
    assert curl.returncode == 0


async def test_a_function_reads_a_piece_before_the_next_one_is_sent(
    host: HostProcess, session: aiohttp.ClientSession
) -> None:
    async def body() -> AsyncIterator[bytes]:
        for number, piece in enumerate((b"one", b"three", b"fifteen"), 1):
            yield piece
            await became(host.root / f"upload-{number}")

    async with session.post("upload", data=body()) as response:
        assert await response.json() == {"sizes": [3, 5, 7]}


async def test_request_and_response_stream_at_the_same_time(session: aiohttp.ClientSession) -> None:
    answered: asyncio.Queue[bytes] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        yield b"one"
        assert await asyncio.wait_for(answered.get(), 30) == b"one"
        yield b"two"

    async with session.post("echo", data=body()) as response:
        answered.put_nowait(await response.content.readany())
        assert await response.read() == b"two"


async def test_status_headers_and_cookies_are_as_the_function_made_them(session: aiohttp.ClientSession) -> None:
    async with session.get("exact", headers={"Origin": "http://friend"}) as response:
        headers = [(name.lower(), value) for name, value in response.headers.items()]
        assert (response.status, await response.read()) == (207, b"made")
    assert [pair for pair in headers if pair[0] not in ("date", "server")] == [
        ("x-one", "1"),
        ("x-host", "custom"),
        ("content-length", "4"),
        ("content-type", "text/x-exact; charset=utf-8"),
        ("set-cookie", "a=1; HttpOnly; Path=/; SameSite=lax"),
        ("set-cookie", 'b="x y"; Path=/; SameSite=lax'),
        ("x-two", "a"),
        ("x-two", "b"),
        ("access-control-allow-origin", "http://friend"),
        ("vary", "Origin"),
    ]


def test_a_response_without_a_type_has_none(host: HostProcess) -> None:
    response = host.get("/api/bare")
    assert (response.content, response.headers.get("Content-Type")) == (b"12", None)
    assert "Access-Control-Allow-Origin" not in response.headers


def test_files_are_served_whole_in_part_and_by_head(host: HostProcess) -> None:
    content = (host.root / "host.json").read_bytes()
    whole, part = host.get("/api/file"), host.get("/api/file", headers={"Range": "bytes=2-8"})
    head, over = host.request("HEAD", "/api/file"), host.get("/api/file", headers={"Range": "bytes=9999-"})
    assert (whole.status_code, whole.content) == (200, content)
    assert (part.status_code, part.content) == (206, content[2:9])
    assert part.headers["Content-Range"] == f"bytes 2-8/{len(content)}"
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", str(len(content)))
    assert over.status_code == 416


def test_a_client_of_http_1_0_gets_the_stream_until_the_end_of_the_connection(host: HostProcess) -> None:
    address = host.base_url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), 30) as connection:
        connection.sendall(b"GET /api/bare HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(1000), b""))
    assert answer.endswith(b"\r\n\r\n12")
    assert b"chunked" not in answer


def test_a_websocket_handshake_is_answered_as_plain_http(host: HostProcess) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x" * 16}
    response = host.get("/api/bare", headers=headers)
    assert (response.status_code, response.headers["Connection"]) == (200, "close")


async def test_neither_host_nor_worker_holds_a_large_stream(host: HostProcess, session: aiohttp.ClientSession) -> None:
    def held() -> list[int]:
        processes = host.get("/admin/host/processes").json()["processes"]
        return [most_memory(one["processId"]) for one in processes]

    async def body() -> AsyncIterator[bytes]:
        for _ in range(150):
            yield bytes(1024 * 1024)

    before = held()
    async with session.post("size", data=body()) as response:
        assert await response.json() == {"size": 150 * 1024 * 1024}
    async with session.get("megabytes/150") as response:
        size = 0
        async for piece in response.content.iter_any():
            size += len(piece)
    assert size == 150 * 1024 * 1024
    assert max(after - then for then, after in zip(before, held(), strict=True)) < 40 * 1024
    host.wait_for("A request to /api/size has more than 104857600 bytes")


def most_memory(pid: int) -> int:
    """KiB that a process has held at most."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def test_a_client_that_leaves_closes_the_generator(host: HostProcess, session: aiohttp.ClientSession) -> None:
    async with session.get("endless/leaves") as response:
        assert await response.content.readany() == b"one"
        response.close()
    await became(host.root / "leaves-closed")
    host.wait_for(r"Executed 'Functions\.endless' \(Canceled, .*: The client closed the connection\.")


async def test_an_error_in_mid_stream_breaks_the_connection(host: HostProcess, session: aiohttp.ClientSession) -> None:
    async with session.get("fails") as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    host.wait_for("ValueError: in mid-stream")
    host.wait_for("The response of the function 'fails' was interrupted")


def test_an_error_before_the_stream_is_a_500_that_explains_without_a_retry(host: HostProcess) -> None:
    response = host.get("/api/raises", headers={"Origin": "http://friend"})
    assert (response.status_code, response.json()["error"]) == (500, "ValueError: before the stream")
    assert (response.headers["X-Host"], response.headers["Vary"]) == ("custom", "Origin")
    host.wait_for(r"Executed 'Functions\.raises' \(Failed")
    assert host.output.count("Executing 'Functions.raises'") == 1


def test_a_header_that_cannot_be_sent_is_a_500_that_explains(host: HostProcess) -> None:
    response = host.get("/api/header")
    assert response.status_code == 500
    assert "The value of the header 'x-bad'" in response.json()["error"]


async def test_a_worker_that_dies_in_mid_stream_breaks_the_connection(
    host: HostProcess, session: aiohttp.ClientSession
) -> None:
    async with session.get("dies") as response:
        assert await response.content.readany() == b"one"
        (host.root / "die").touch()
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    host.wait_for(r"Executed 'Functions\.dies' \(Failed")
    assert until(lambda: host.get("/api/version")).json() == "first"


async def test_a_streamed_function_starts_an_orchestration(host: HostProcess, session: aiohttp.ClientSession) -> None:
    async with session.post("start", json={"a": 1}) as response:
        instance_id = (await response.json())["id"]
    await asyncio.to_thread(host.wait_status, instance_id, "Completed")
    assert host.status(instance_id)["output"] == {"a": 1}


def test_an_administrator_runs_a_streamed_function(host: HostProcess) -> None:
    answer = host.post("/admin/functions/size?wait=true", json={"input": "12345"}).json()
    assert answer["returnValue"] == {"status": 200, "body": '{"size":5}'}


@pytest.fixture
def own_host(tmp_path: Path) -> Iterator[HostProcess]:
    """Not started."""
    host = HostProcess(write_app(tmp_path / "app", {"function_app.py": APP}), SETTINGS)
    yield host
    host.end()


async def test_a_reload_lets_streams_end_in_the_old_code(own_host: HostProcess) -> None:
    host = own_host.start()
    async with session_of(host) as session, session.get("two/reload") as response:
        assert await response.content.readany() == b"data: one\n\n"
        (host.root / "function_app.py").write_text(APP.replace('"first"', '"second"').replace("data: two", "new"))
        await asyncio.to_thread(host.wait_for, "Reloaded in")
        assert host.get("/api/version").json() == "second"
        (host.root / "reload-second").touch()
        assert await response.read() == b"data: two\n\n"


async def test_a_host_that_stops_lets_streams_end_and_cancels_those_that_do_not(own_host: HostProcess) -> None:
    host = own_host.start()
    async with session_of(host) as session, session.get("two/stop") as ending, session.get("endless/stop") as endless:
        assert await ending.content.readany() == b"data: one\n\n"
        assert await endless.content.readany() == b"one"
        host.send_signal(signal.SIGTERM)
        await asyncio.to_thread(until, lambda: not is_listening(host))
        (host.root / "stop-second").touch()
        assert await ending.read() == b"data: two\n\n"
        with pytest.raises(aiohttp.ClientPayloadError):
            await endless.read()
    assert await asyncio.to_thread(host.wait_exit) == 0
    host.wait_for(r"Executed 'Functions\.two' \(Succeeded")
    host.wait_for(r"Executed 'Functions\.endless' \(Canceled, .*: The host stops\.")
    assert (host.root / "stop-closed").exists()


def is_listening(host: HostProcess) -> bool:
    address = host.base_url.removeprefix("http://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((address[0], int(address[1]))) == 0


async def test_keys_limits_and_time_outs_hold_for_streams(own_host: HostProcess) -> None:
    own_host.settings["FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"] = "100000"
    own_host.settings["AzureFunctionsJobHost__functionTimeout"] = "00:00:02"
    host = own_host.start("--enable-auth")
    assert host.get("/api/version").status_code == 401
    assert host.post("/api/size", data=bytes(100_000)).json() == {"size": 100_000}
    assert host.post("/api/size", data=bytes(100_001)).status_code == 413
    assert host.post("/api/size", data=iter([bytes(90_000)] * 2)).status_code == 413
    async with session_of(host) as session, session.get("two/never") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    host.wait_for("Timeout value of 00:00:02 was exceeded by function: Functions.two")
