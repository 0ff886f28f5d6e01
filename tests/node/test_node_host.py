"""Node.js apps through a real host: streamed HTTP (`app.setup({ enableHttpStream: true })`), admin routes."""

import json
import socket
from collections.abc import Callable
from typing import Any

import requests
from host_process import HostProcess
from node_pools import HEADER

APP = (
    HEADER
    + """
const { Readable } = require('stream');
app.setup({ enableHttpStream: true });
let go;
const gate = new Promise((resolve) => { go = resolve; });
app.get('events', { route: 'events/{id}', handler: async (request) => ({
  headers: { 'content-type': 'text/event-stream' },
  cookies: [{ name: 'a', value: '1' }, { name: 'b', value: '2' }],
  body: Readable.from((async function* () {
    yield `first ${request.params.id} ${request.query.get('q')} ${request.headers.get('x-a')}`;
    await gate;
    yield 'second';
  })()),
}) });
app.get('go', { handler: async () => { go(); return { status: 202 }; } });
app.post('upload', { handler: async (request) => {
  let size = 0;
  for await (const piece of request.body) size += piece.length;
  return { jsonBody: { size } };
} });
app.get('throws', { handler: async () => { throw new Error('boom'); } });
app.get('nothing', { handler: async () => {} });
"""
)


def test_streamed_functions(start_node_host: Callable[..., HostProcess]) -> None:
    """One host for all: pieces arrive as they are made, large bodies pass, and every request is answered."""
    host = start_node_host({"src/functions/f.js": APP})
    with host.get("/api/events/7?q=x", stream=True, headers={"x-a": "b"}) as response:
        pieces: Any = response.iter_content(None)
        assert next(pieces) == b"first 7 x b"
        assert host.get("/api/go").status_code == 202
        assert b"".join(pieces) == b"second"
        assert response.headers["content-type"] == "text/event-stream"
        assert response.raw.headers.getlist("set-cookie") == ["a=1", "b=2"]
    size = 3_000_000
    assert host.request("POST", "/api/upload", data=b"x" * size).json() == {"size": size}
    failed = host.get("/api/throws")
    assert (failed.status_code, json.loads(failed.text)["error"]) == (500, "boom")
    assert host.get("/api/nothing").status_code == 204
    host.wait_for(r"Executed 'Functions.nothing' \(Succeeded")


def test_a_client_that_goes_away_is_no_failure(start_node_host: Callable[..., HostProcess]) -> None:
    code = """
    app.get('forever', { handler: async () => ({ body: Readable.from((async function* () {
      for (;;) { yield 'more'; await new Promise((done) => setTimeout(done, 10)); }
    })()) }) });
    """
    host = start_node_host({"src/functions/f.js": APP + code})
    with host.get("/api/forever", stream=True) as response:
        assert next(response.iter_content(4)) == b"more"
    host.wait_for(r"Executed 'Functions.forever' \(Canceled")


def test_a_streaming_function_can_be_started_by_an_administrator(start_node_host: Callable[..., HostProcess]) -> None:
    host = start_node_host({"src/functions/f.js": APP})
    assert host.request("POST", "/admin/functions/upload", json={"input": "abc"}).status_code == 202
    host.wait_for(r"Executed 'Functions.upload' \(Succeeded")
    assert host.request("POST", "/api/upload", data=b"x", headers={"x-ms-invocation-id": "mine"}).json() == {"size": 1}


def test_the_admin_routes_name_the_language(start_node_host: Callable[..., HostProcess]) -> None:
    host = start_node_host({"src/functions/f.js": HEADER + "app.get('f', { handler: () => ({}) });"})
    (function,) = host.get("/admin/functions").json()
    assert (function["language"], function["config"]["scriptFile"]) == ("node", "f.js")
    assert function["config"]["functionDirectory"] == str(host.root / "src" / "functions")
    names = {one["processName"] for one in host.get("/admin/host/processes").json()["processes"]}
    assert names == {"func", "node"}


def test_a_changed_file_is_taken_over_while_the_host_runs(start_node_host: Callable[..., HostProcess]) -> None:
    code = HEADER + "app.get('f', { handler: () => ({ body: 'old' }) });"
    host = start_node_host({"src/functions/f.js": code})
    assert host.get("/api/f").text == "old"
    (host.root / "src" / "functions" / "f.js").write_text(code.replace("old", "new"))
    host.wait_for("Reloaded in")
    assert host.get("/api/f").text == "new"


def test_the_debugger_listens_where_it_is_asked_to(start_node_host: Callable[..., HostProcess]) -> None:
    code = HEADER + "app.get('f', { handler: () => ({}) });"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = start_node_host({"src/functions/f.js": code}, "--debug", str(port), wait=False)
        refused.wait_for("DH4021")
        refused.wait_exit()
    host = start_node_host({"src/functions/f.js": code}, "--language-worker", f"--inspect={port}")
    host.wait_for(rf"Debugger listening on ws://127\.0\.0\.1:{port}/")
    (target,) = requests.get(f"http://127.0.0.1:{port}/json", timeout=10).json()
    assert target["type"] == "node"
