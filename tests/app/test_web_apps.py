"""FastAPI and Flask apps behind the SDK's wrappers respond as they do on their own servers.

Source: docs/protocol/functions-host-http.md#web-frameworks
"""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import requests
import uvicorn
from host_process import HostProcess, until, write_app
from werkzeug.serving import make_server

FASTAPI = """
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, Cookie, FastAPI, File, Form, HTTPException, Request, Response, UploadFile
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel

STATE = {"started": 0, "background": 0}


@asynccontextmanager
async def lifespan(app):
    STATE["started"] += 1
    yield


web = FastAPI(lifespan=lifespan)
web.add_middleware(CORSMiddleware, allow_origins=["http://friend"], allow_credentials=True, allow_methods=["*"])


class Item(BaseModel):
    name: str
    price: float = 1.5


@web.get("/items/{item_id}")
async def item(item_id: int, q: str | None = None, tags: str = ""):
    return {"id": item_id, "q": q, "tags": tags, "started": STATE["started"]}


@web.post("/items", status_code=201)
def create(item: Item):
    return {"name": item.name.upper(), "price": item.price}


@web.put("/raw")
async def raw(request: Request):
    body = await request.body()
    return Response(body[::-1], media_type="application/octet-stream", headers={"X-Size": str(len(body))})


@web.post("/upload")
async def upload(file: UploadFile = File(), note: str = Form()):
    return {"name": file.filename, "size": len(await file.read()), "note": note}


@web.get("/cookies")
async def cookies(response: Response, seen: str | None = Cookie(None)):
    response.set_cookie("a", "1", httponly=True, max_age=60)
    response.set_cookie("b", "x y", samesite="strict")
    return {"seen": seen}


@web.get("/headers")
async def headers(request: Request):
    return {name: request.headers.getlist(name) for name in ("x-one", "x-two", "user-agent")}


@web.get("/stream")
async def stream():
    async def parts():
        for number in range(5):
            yield f"part {number}\\n"
    return StreamingResponse(parts(), media_type="text/plain")


@web.get("/moved")
async def moved():
    return RedirectResponse("/items/1", status_code=307)


@web.get("/page", response_class=HTMLResponse)
async def page():
    return "<p>ä</p>"


@web.get("/empty", status_code=204)
async def empty():
    return Response(status_code=204)


@web.get("/teapot")
async def teapot():
    raise HTTPException(418, "short and stout")


@web.get("/url/{rest:path}")
async def url(rest: str, request: Request):
    return {"rest": rest, "path": request.url.path, "query": request.url.query, "method": request.method}


@web.get("/later")
async def later(tasks: BackgroundTasks):
    tasks.add_task(STATE.update, background=1)
    return PlainTextResponse("ok")


@web.get("/boom")
async def boom():
    raise ValueError("boom")
"""

FLASK = """
import flask

web = flask.Flask(__name__)
web.secret_key = "secret"


@web.get("/items/<int:item_id>")
def item(item_id):
    return flask.jsonify(id=item_id, q=flask.request.args.get("q"), tags=flask.request.args.getlist("tags"))


@web.post("/items")
def create():
    return {"got": flask.request.get_json()}, 201, {"X-Made": "yes"}


@web.put("/raw")
def raw():
    return flask.Response(flask.request.get_data()[::-1], mimetype="application/octet-stream")


@web.post("/upload")
def upload():
    file = flask.request.files["file"]
    return {"name": file.filename, "size": len(file.read()), "note": flask.request.form["note"]}


@web.get("/cookies")
def cookies():
    response = flask.make_response({"seen": flask.request.cookies.get("seen")})
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "x y", samesite="Strict")
    return response


@web.get("/headers")
def headers():
    return {name: flask.request.headers.get(name) for name in ("X-One", "User-Agent")}


@web.get("/stream")
def stream():
    return flask.Response((f"part {number}\\n" for number in range(5)), mimetype="text/plain")


@web.get("/moved")
def moved():
    return flask.redirect("/items/1", 307)


@web.get("/page")
def page():
    return "<p>ä</p>"


@web.get("/empty")
def empty():
    return "", 204


@web.get("/teapot")
def teapot():
    flask.abort(418)


@web.get("/url/<path:rest>")
def url(rest):
    request = flask.request
    return {"rest": rest, "path": request.path, "query": request.query_string.decode(), "method": request.method}


@web.get("/logged")
def logged():
    web.logger.info("told by Flask's logger")
    return "logged"


@web.get("/boom")
def boom():
    raise ValueError("boom")
"""

ENTRY = """
import azure.functions as func
from webapp import web

app = func.{wrapper}(app={app}, http_auth_level=func.AuthLevel.ANONYMOUS)
"""

REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/items/5?q=x%20y&tags=a&tags=b", {}),
    ("GET", "/items/5?q=", {}),
    ("GET", "/items/none", {}),
    ("POST", "/items", {"json": {"name": "ä", "price": 2}}),
    ("POST", "/items", {"data": "{", "headers": {"Content-Type": "application/json"}}),
    ("DELETE", "/items", {}),
    ("PUT", "/raw", {"data": bytes(range(256))}),
    ("PUT", "/raw", {"data": b""}),
    ("PUT", "/raw", {"data": (b"one ", b"two")}),
    ("POST", "/upload", {"files": {"file": ("n.bin", b"\x00" * 3000)}, "data": {"note": "ü"}}),
    ("GET", "/cookies", {"headers": {"Cookie": "seen=yes; other=1"}}),
    ("GET", "/headers", {"headers": {"X-One": "1", "User-Agent": "test"}}),
    ("GET", "/stream", {}),
    ("GET", "/moved", {}),
    ("GET", "/page", {}),
    ("GET", "/empty", {}),
    ("GET", "/teapot", {}),
    ("GET", "/nowhere", {}),
    ("GET", "/url/a/b%20c?x=1&y=%2F", {}),
    ("GET", "/items/5/", {}),
    ("HEAD", "/page", {}),
    ("OPTIONS", "/items", {}),
]
FASTAPI_ONLY: list[tuple[str, str, dict[str, Any]]] = [
    # The SDK's WSGI wrapper encodes such paths twice, in Azure as well.
    ("GET", "/url/%C3%A4%2Fb", {}),
    ("POST", "/items", {"json": {"price": "x"}}),
    ("GET", "/openapi.json", {}),
    ("GET", "/docs", {}),
    ("GET", "/later", {}),
    ("GET", "/items/5", {"headers": {"Origin": "http://friend"}}),
    ("OPTIONS", "/items", {"headers": {"Origin": "http://friend", "Access-Control-Request-Method": "POST"}}),
]
NOT_COMPARED = frozenset({"date", "server", "connection", "content-length", "transfer-encoding", "keep-alive"})


def told(base_url: str, method: str, path: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a client sees of the answer. A tuple of data goes out in chunks."""
    if isinstance(options.get("data"), tuple):
        options = {**options, "data": iter(options["data"])}
    response = requests.request(method, base_url + path, timeout=30, allow_redirects=False, **options)
    headers = sorted((name.lower(), value.replace(base_url, "BASE")) for name, value in response.raw.headers.items())
    if not response.content:
        # The SDK gives every response a type, in Azure as well.
        headers = [(name, value) for name, value in headers if name != "content-type"]
    return {
        "status": response.status_code,
        "headers": [(name, in_order(name, value)) for name, value in headers if name not in NOT_COMPARED],
        "body": response.content.replace(base_url.encode(), b"BASE"),
    }


def in_order(name: str, value: str) -> str:
    """Frameworks make this header from a set."""
    return ", ".join(sorted(value.split(", "))) if name == "allow" else value


def module_of(code: str) -> ModuleType:
    module = ModuleType("webapp")
    exec(compile(code, "webapp.py", "exec"), module.__dict__)
    return module


@contextmanager
def hosted(root: Any, code: str, wrapper: str, prefix: str = "") -> Iterator[HostProcess]:
    app = "web" if wrapper == "AsgiFunctionApp" else "web.wsgi_app"
    files = {
        "webapp.py": code,
        "function_app.py": ENTRY.format(wrapper=wrapper, app=app),
        "host.json": json.dumps({"version": "2.0", "extensions": {"http": {"routePrefix": prefix}}}),
    }
    host = HostProcess(write_app(root, files), {})
    try:
        yield host.start()
    finally:
        host.end()


@pytest.fixture(scope="module")
def fastapi_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HostProcess, str]]:
    server = uvicorn.Server(uvicorn.Config(module_of(FASTAPI).__dict__["web"], port=0, log_level="error"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        until(lambda: server.started)
        with hosted(tmp_path_factory.mktemp("asgi"), FASTAPI, "AsgiFunctionApp") as host:
            yield host, f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def flask_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HostProcess, str]]:
    server = make_server("127.0.0.1", 0, module_of(FLASK).__dict__["web"])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with hosted(tmp_path_factory.mktemp("wsgi"), FLASK, "WsgiFunctionApp") as host:
        yield host, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.mark.parametrize(("method", "path", "options"), [*REQUESTS, *FASTAPI_ONLY])
def test_fastapi_answers_as_under_uvicorn(
    fastapi_servers: tuple[HostProcess, str], method: str, path: str, options: dict[str, Any]
) -> None:
    host, own = fastapi_servers
    assert told(host.base_url, method, path, options) == told(own, method, path, options)


@pytest.mark.parametrize(("method", "path", "options"), REQUESTS)
def test_flask_answers_as_under_werkzeug(
    flask_servers: tuple[HostProcess, str], method: str, path: str, options: dict[str, Any]
) -> None:
    host, own = flask_servers
    assert told(host.base_url, method, path, options) == told(own, method, path, options)


def test_what_flask_logs_is_shown_and_fails_no_request(flask_servers: tuple[HostProcess, str]) -> None:
    host, _ = flask_servers
    assert [host.get(path).text for path in ("/logged", "/logged", "/page")] == ["logged", "logged", "<p>ä</p>"]
    host.wait_for("told by Flask's logger$")


def test_an_error_in_the_web_app_is_a_500_with_the_users_line_in_the_log(
    fastapi_servers: tuple[HostProcess, str], flask_servers: tuple[HostProcess, str]
) -> None:
    for host, _ in (fastapi_servers, flask_servers):
        assert host.get("/boom").status_code == 500
        assert host.get("/page").status_code == 200
        host.wait_for("ValueError: boom")
        host.wait_for(r"webapp\.py.*, line \d+, in boom")


def test_with_a_route_prefix_the_web_app_sees_the_whole_path(tmp_path_factory: pytest.TempPathFactory) -> None:
    code = FLASK.replace('"/url/', '"/api/url/')
    with hosted(tmp_path_factory.mktemp("prefix"), code, "WsgiFunctionApp", "api") as host:
        assert host.get("/api/url/x").json()["path"] == "/api/url/x"
        assert host.get("/url/x").status_code == 404
        assert f"{host.base_url}/api/{{*route}}" in host.output
