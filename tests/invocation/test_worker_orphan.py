"""A worker whose host is killed before the worker can notice it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_worker_reload import LOADS_FOREVER
from worker_apps import write_app

from durable_host.invocation.frames import encode_to_worker
from durable_host.invocation.python_worker import ENTRY


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells of the end of a parent")
def test_app_is_not_loaded_if_the_host_has_ended_while_the_worker_starts(tmp_path: Path) -> None:
    write_app(tmp_path, LOADS_FOREVER)
    start = {"k": "start", "root": str(tmp_path), "script": "function_app.py", "level": 20}
    requests, host = os.pipe()
    os.write(host, encode_to_worker(start, None))
    os.close(host)
    try:
        run = subprocess.run([sys.executable, str(ENTRY)], stdin=requests, capture_output=True, check=False, timeout=30)
    finally:
        os.close(requests)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
    assert not (tmp_path / "loading.txt").exists()
