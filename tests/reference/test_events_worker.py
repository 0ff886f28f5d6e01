"""Row 9 of the page events: the worker of a host that is killed."""

from pathlib import Path

import pytest
from host_process import HostProcess, ends_of, hub_settings, until, write_app

APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="hello")
def hello(req: func.HttpRequest) -> str:
    return "hello"
"""


@pytest.mark.differs("killed-hosts")
@pytest.mark.process
def test_the_worker_of_a_killed_host_ends(tmp_path: Path, connection_string: str) -> None:
    """events 9: stays different. The Python worker of the real host stays alive after `kill -9` of its host."""
    host = HostProcess(write_app(tmp_path / "app", {"function_app.py": APP}), hub_settings(connection_string))
    try:
        host.start()
        processes = [one["processId"] for one in host.get("/admin/host/processes").json()["processes"]]
        host.kill()
        until(lambda: ends_of(processes))
    finally:
        host.end()
