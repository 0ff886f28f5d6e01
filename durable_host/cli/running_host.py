"""The running host of an app, for commands: its address, and requests to its admin routes."""

import http.client
import json
import socket
import time
from typing import Any, Final, NamedTuple

from durable_host.config import HostConfig
from durable_host.errors import HostError
from durable_host.socket_deadline import done_in_time

_CONNECTS_WITHIN: Final = 5.0
_TAKEN_WITHIN: Final = 30.0
_LONGEST: Final = 100_000_000
"""In bytes."""
_EVERY_ADDRESS: Final = ("0.0.0.0", "::", "*", "+")


class HostNotRunning(HostError):
    """No host listens at the address, or another program does."""

    code = "DH3021"


class AnswerIncomplete(HostError):
    """The answer to a manual run is too long, takes too long or breaks off. The function may have run."""

    code = "DH3023"


class Address(NamedTuple):
    """Where the host listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}"


def address_of_host(config: HostConfig) -> Address:
    """Where the app's host listens unless it was started with another port or address."""
    return Address("127.0.0.1" if config.address in _EVERY_ADDRESS else config.address, config.port)


def request_host(
    address: Address,
    method: str,
    path: str,
    key: str | None = None,
    text: str | None = None,
    *,
    answers_within: float | None = None,
) -> tuple[int, Any]:
    """The status and the body: its parsed JSON, or its text. Raises HostNotRunning, AnswerIncomplete.

    `text` becomes the input of a manual invocation. `answers_within` limits the time to the end of the answer, in
    seconds. None is for a function that may run for any time: the answer must have ended 30 s after its beginning.
    Only then AnswerIncomplete is raised.
    """
    headers = {"x-functions-key": key} if key else {}
    body = None
    if text is not None:
        body = json.dumps({"input": text}).encode()
        headers["Content-Type"] = "application/json"
    has_begun = False
    connection = http.client.HTTPConnection(address.host, address.port, timeout=answers_within or _CONNECTS_WITHIN)
    try:
        connection.connect()
        assert connection.sock is not None
        until = time.monotonic() + (answers_within or _TAKEN_WITHIN)
        done_in_time(connection.sock, until, lambda: connection.request(method, path, body, headers))
        if answers_within is None:
            connection.sock.settimeout(None)
            has_begun = bool(connection.sock.recv(1, socket.MSG_PEEK))
            until = time.monotonic() + _TAKEN_WITHIN
        status, content = done_in_time(connection.sock, until, lambda: _answer(connection))
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # the last for an odd host name
        cause = str(error) or type(error).__name__
        if has_begun:
            raise AnswerIncomplete(
                f"The answer of the host at {address} cannot be read to its end.",
                cause=cause,
                remedy="The function may have run: look at the output of the host before you run it again.",
            ) from error
        raise HostNotRunning(
            f"No host answers at {address}.",
            cause=cause,
            remedy="Start it with 'func start', or name its port with --port.",
        ) from error
    finally:
        connection.close()
    try:
        return status, json.loads(content)
    except (ValueError, RecursionError):
        return status, content


def _answer(connection: http.client.HTTPConnection) -> tuple[int, str]:
    with connection.getresponse() as response:
        content = response.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise http.client.HTTPException(f"The answer has more than {_LONGEST // 1_000_000} MB.")
        if response.length:
            raise http.client.IncompleteRead(content, response.length)
    return response.status, content.decode("utf-8", "replace")
