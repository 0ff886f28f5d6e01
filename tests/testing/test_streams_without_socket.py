"""Requests and responses that an app streams, without a socket."""

from collections.abc import Iterator

import aiohttp
import pytest

from durable_host.testing import FunctionApp

APP = """
import asyncio

import azure.functions as func
from azurefunctions.extensions.http.fastapi import Request, StreamingResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ticks = asyncio.Queue()


@app.route("ticks")
async def stream_ticks(req: Request) -> StreamingResponse:
    async def lines():
        while True:
            yield f"data: {await ticks.get()}\\n"

    return StreamingResponse(lines(), media_type="text/event-stream")


@app.route("tick/{number}")
async def tick(req: Request) -> str:
    ticks.put_nowait(req.path_params["number"])
    return "ok"


@app.route("size")
async def size(req: Request) -> dict:
    pieces = [len(piece) async for piece in req.stream() if piece]
    return {"size": sum(pieces)}


@app.route("broken")
async def broken(req: Request) -> StreamingResponse:
    async def lines():
        yield "half"
        raise RuntimeError("out of order")

    return StreamingResponse(lines())
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionApp]:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    with FunctionApp(root) as app:
        yield app


def test_a_response_is_read_while_the_function_writes_it(app: FunctionApp) -> None:
    with app.client.stream("GET", "/api/ticks") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        lines = response.iter_lines()
        for number in ("1", "2"):
            assert app.client.get(f"/api/tick/{number}").status_code == 200
            assert next(lines) == f"data: {number}"


def test_a_function_ends_when_the_reader_of_its_stream_leaves(app: FunctionApp) -> None:
    with app.client.stream("GET", "/api/ticks"), app.client.stream("GET", "/api/ticks"):
        pass
    app.advance(days=1)


def test_a_request_is_streamed_to_the_function(app: FunctionApp) -> None:
    pieces = (b"x" * 100_000 for _ in range(10))
    assert app.client.post("/api/size", content=pieces).json() == {"size": 1_000_000}


def test_an_interrupted_response_is_an_error(app: FunctionApp) -> None:
    with pytest.raises(aiohttp.ClientPayloadError, match="not completed"):
        app.client.get("/api/broken")
