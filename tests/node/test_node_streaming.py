"""HTTP functions that stream (`app.setup({ enableHttpStream: true })`), through a real host."""

import json
from collections.abc import Callable
from typing import Any

import pytest
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


@pytest.mark.differs("node-streams")
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


def test_a_client_that_goes_away_is_not_a_failure(start_node_host: Callable[..., HostProcess]) -> None:
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
