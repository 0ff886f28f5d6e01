"""Node.js apps through a real host: admin routes, reload, the debugger."""

import socket
from collections.abc import Callable

import requests
from host_process import HostProcess
from node_pools import HEADER


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
