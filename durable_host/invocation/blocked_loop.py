"""Reports user code that blocks the event loop of a worker, for workers that cannot detect this themselves.

The worker answers pings from its loop. If an answer is missing, the host sends a signal at which Node.js opens its
inspector, even if the loop is blocked, and reads the place in the code over a WebSocket.
"""

import asyncio
import contextlib
import logging
import os
import re
import signal
from collections.abc import Callable
from typing import Any, Final

from durable_host.invocation.worker_process import WorkerProcess

LOG = logging.getLogger("Host.Worker")
BLOCKED_AFTER = 1.0
LOOK_EVERY = 0.5
ANSWER_WITHIN = 3.0
_LISTENING: Final = re.compile(r"Debugger listening on (ws://\S+)")
_CHATTER: Final = re.compile(r"Debugger (?:listening on|attached|ending on)|For help, see: https://nodejs\.org/")
_NOT_USERS: Final = re.compile(r"^(?:node:|$)|/node_modules/|/worker_node/")


async def watch_loop(current: Callable[[], WorkerProcess | None]) -> None:
    """Report each time the loop of the current process is blocked while calls are running."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        process = current()
        if process is None or not process.running_calls or await process.answers_ping(BLOCKED_AFTER):
            continue
        try:
            place = await _place_of_block(process)
        except Exception as error:
            LOG.debug("The code that blocks the event loop could not be located: %s", error)
            place = ""
        LOG.warning(
            "The event loop has been blocked for more than %g s%s. All other functions wait meanwhile: await an "
            "asynchronous call instead, or hand blocking work to a worker thread.",
            BLOCKED_AFTER,
            place,
        )
        await process.wait_pong()


async def _place_of_block(process: WorkerProcess) -> str:
    """` at FILE:LINE in FUNCTION`, or an empty string if the code is not the app's."""
    if process.pid is None:
        return ""
    async with asyncio.timeout(ANSWER_WITHIN):
        with process.reading_stderr(_CHATTER) as lines:
            os.kill(process.pid, signal.SIGUSR1)
            while (found := _LISTENING.match(await lines.get())) is None:
                pass
        try:
            return await _ask_inspector(found[1])
        finally:
            process.send({"k": "undebug"})


async def _ask_inspector(url: str) -> str:
    from aiohttp import ClientSession

    scripts: dict[str, str] = {}
    async with ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
        for number, method in enumerate(("Debugger.enable", "Debugger.pause")):
            await socket.send_json({"id": number, "method": method})
        place = ""
        async for message in socket:
            event: dict[str, Any] = message.json()
            parameters: dict[str, Any] = event.get("params", {})
            if event.get("method") == "Debugger.scriptParsed":
                scripts[parameters["scriptId"]] = parameters["url"]
            elif event.get("method") == "Debugger.paused":
                place = _users_place(parameters["callFrames"], scripts)
                break
        with contextlib.suppress(ConnectionError):
            await socket.send_json({"id": 2, "method": "Debugger.resume"})
    return place


def _users_place(frames: list[dict[str, Any]], scripts: dict[str, str]) -> str:
    for frame in frames:
        location: dict[str, Any] = frame["location"]
        file = str(frame.get("url") or scripts.get(location["scriptId"], "")).removeprefix("file://")
        if not _NOT_USERS.search(file):
            name = f" in {frame['functionName']}" if frame["functionName"] else ""
            return f" at {file}:{location['lineNumber'] + 1}{name}"
    return ""
