"""If a connection string is given instead of the name of a setting, no output of the host shows it."""

import json
import re
from collections.abc import Callable

import pytest
from func_command import run_func
from host_process import HostProcess

StartHost = Callable[..., HostProcess]

SECRET = "U0VDUkVU"
APP = f"""
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
CONNECTION = "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={SECRET};EndpointSuffix=core.windows.net"


@app.queue_trigger(arg_name="msg", queue_name="orders", connection=CONNECTION)
def orders(msg: func.QueueMessage) -> None:
    pass


@app.route(route="broken")
def broken(req: func.HttpRequest) -> str:
    print("printed", CONNECTION)
    raise ValueError("cannot open " + CONNECTION)
"""


PATHS = (
    "/",
    "/api/broken",
    "/admin/functions",
    "/admin/functions/orders",
    "/admin/functions/orders/status",
    "/admin/host/status",
    "/admin/host/config",
)


@pytest.mark.parametrize("mode", ["plain", "compact", "json"])
def test_terminal_pages_and_admin_routes(start_host: StartHost, mode: str) -> None:
    settings = {"DURABLE_HOST_ERROR_DETAILS": "1"}
    host = start_host({"function_app.py": APP}, "--output", mode, "--verbose", settings=settings, wait=False)
    match = re.search(r"http://localhost:\d+(?=[ ,\"])", host.wait_for(r"Listening: |base_url"))
    assert match is not None
    host.base_url = match[0]
    answers = [
        host.get(path, headers={"Accept": accept}).text
        for path in PATHS
        for accept in ("text/html", "application/json")
    ]
    host.wait_for("cannot open")
    host.stop()
    assert [text for text in (host.output, *answers) if SECRET in text] == []
    assert "[Hidden Credential]" in host.output
    assert "must be the name of an app setting" in host.output
    assert "MyStorage" in host.output


@pytest.mark.parametrize("output", ["text", "json"])
def test_doctor(start_host: StartHost, output: str) -> None:
    host = start_host({"function_app.py": APP}, wait=False)
    host.kill()
    done = run_func("doctor", "--output", output, folder=host.root, settings=host.settings)
    assert SECRET not in done.stdout + done.stderr
    assert "must be the name of an app setting" in done.stdout
    if output == "json":
        json.loads(done.stdout)
