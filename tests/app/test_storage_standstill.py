"""An Azurite that the host did not start stops answering while the host runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from host_process import HostProcess

from durable_host.storage.azurite import connection_string, free_connection, start_azurite

StartHost = Callable[..., HostProcess]

APP = """
import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext):
    yield context.wait_for_external_event("Go")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGSTOP")
def test_a_foreign_azurite_that_stands_still_is_named_and_queries_wait_for_it(start_host: StartHost) -> None:
    connection = free_connection()
    azurite = start_azurite(connection)
    try:
        host = start_host({"function_app.py": APP}, settings={"AzureWebJobsStorage": connection_string(connection)})
        start = host.post("/runtime/webhooks/durabletask/orchestrators/waits/i1")
        assert start.status_code == 202
        with ThreadPoolExecutor() as pool:
            _signal(azurite.pid, signal.SIGSTOP)
            try:
                query = pool.submit(host.get, "/runtime/webhooks/durabletask/instances/i1")
                line = host.wait_for("The table service at .* has not answered for 5 s")
            finally:
                _signal(azurite.pid, signal.SIGCONT)
            assert query.result(60).status_code == 202
        assert "This host did not start this Azurite" in line
        host.wait_for("The table service at .* answers again")
        assert host.output.count("The table service at http") == 2
    finally:
        azurite.stop()


def _signal(process: int, number: int) -> None:
    """To the process and those that it has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)
    for pid in [process, *map(int, found.stdout.split())]:
        os.kill(pid, number)
