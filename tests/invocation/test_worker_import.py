"""The app is imported while the worker's event loop runs, as in Azure's workers."""

import asyncio
import logging
import os
from pathlib import Path

import pytest
from fast_start import WITHOUT_AGENTS
from worker_apps import HEADER, eventually, index_of, messages, running

from durable_host.invocation.datum import string
from durable_host.invocation.errors import FunctionFailed

pytestmark = pytest.mark.usefixtures("started_workers")

BACKGROUND = """
import asyncio
import sys

import aiohttp

SESSION = aiohttp.ClientSession()
LOOP = asyncio.get_running_loop()
QUEUE = asyncio.Queue()


async def doubles():
    while True:
        number, answer = await QUEUE.get()
        answer.set_result(2 * number)


async def leaves():
    sys.exit(5)


TASKS = [asyncio.create_task(leaves()), asyncio.create_task(doubles())]


@app.generic_trigger("g", type="someTrigger")
async def double(g):
    answer = LOOP.create_future()
    await QUEUE.put((int(g), answer))
    return str(await answer) + str(LOOP is asyncio.get_running_loop())


@app.generic_trigger("g", type="someTrigger")
def contexts_of_aiohttp(g):
    import ssl
    from aiohttp import connector

    contexts = [connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED]
    return str([type(context) is ssl.SSLContext for context in contexts])


@app.generic_trigger("g", type="someTrigger")
def worker_loop_is_not_of_threads(g):
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        return str(error)
"""


async def test_async_clients_and_tasks_may_be_made_at_import_and_aiohttp_is_left_alone(tmp_path: Path):
    async with running(tmp_path, {"function_app.py": HEADER + BACKGROUND}) as app:
        assert await app.text("double", string("21")) == "42True"
        assert await app.text("contexts_of_aiohttp", string("")) == "[True, True]"
        assert await app.text("worker_loop_is_not_of_threads", string("")) == "no running event loop"


async def test_app_that_takes_long_to_load_is_reported_with_its_line(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    code = "import os, time\nwhile not os.path.exists('go.txt'):\n    time.sleep(0.01)\n"
    loading = asyncio.create_task(index_of(tmp_path, {"function_app.py": code + HEADER}))
    line = "The app is still being loaded after 5 s: function_app.py:"
    await eventually(lambda: any(text.startswith(line) for text in messages(caplog, "Host.Worker")))
    (tmp_path / "go.txt").touch()
    assert (await loading).failure is None


async def test_asyncio_run_at_import_fails_as_in_azure(tmp_path: Path):
    code = "import asyncio\nasyncio.run(asyncio.sleep(0))\n"
    index = await index_of(tmp_path, {"function_app.py": HEADER + code})
    assert "asyncio.run() cannot be called from a running event loop" in str(index.failure)


AIOHTTP = """
import sys
import azure.durable_functions as df
from azure.durable_functions.models.utils import http_utils

app = df.DFApp()
WAS_IMPORTED = "aiohttp" in sys.modules


@app.generic_trigger("g", type="someTrigger")
def imported(g):
    is_imported = "aiohttp" in sys.modules
    import aiohttp
    return str([WAS_IMPORTED, is_imported, http_utils.aiohttp is aiohttp])
"""


async def test_aiohttp_of_the_sdk_is_imported_after_the_app_has_been_indexed(tmp_path: Path):
    async with running(tmp_path, {"function_app.py": AIOHTTP}) as app:
        assert await app.text("imported", string("")) == "[False, True, True]"


async def test_aiohttp_of_the_app_is_that_of_the_sdk(tmp_path: Path):
    async with running(tmp_path, {"function_app.py": "import aiohttp\n" + AIOHTTP}) as app:
        assert await app.text("imported", string("")) == "[True, True, True]"


async def test_request_of_the_sdk_while_the_app_is_loaded_imports_aiohttp(tmp_path: Path):
    request = "http_utils.post_async_request('http://127.0.0.1:1/', {}).send(None)"
    code = f"try:\n    {request}\nexcept Exception:\n    pass\nWAS_IMPORTED"
    async with running(tmp_path, {"function_app.py": AIOHTTP.replace("WAS_IMPORTED", code, 1)}) as app:
        assert await app.text("imported", string("")) == "[True, True, True]"


async def test_broken_aiohttp_is_logged_and_fails_a_request_of_the_sdk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    request = """
@app.generic_trigger("g", type="someTrigger")
async def sends(g):
    await http_utils.get_async_request("http://127.0.0.1:1/")
"""
    files = {"aiohttp.py": "raise ImportError('broken on purpose')\n", "function_app.py": AIOHTTP + request}
    async with running(tmp_path, files, settings={"PYTHONPATH": f"{tmp_path}{os.pathsep}{WITHOUT_AGENTS}"}) as app:
        with pytest.raises(FunctionFailed, match="broken on purpose"):
            await app.text("sends", string(""))
    warning = "The Durable Functions client cannot send requests: ImportError: broken on purpose"
    assert warning in messages(caplog, "Host.Worker")
