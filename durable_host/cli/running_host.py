"""The running host of an app, for commands: its address, and requests to its admin routes."""

import http.client
import json
from typing import Any, Final, NamedTuple

from durable_host.config import HostConfig
from durable_host.errors import HostError

_CONNECTS_WITHIN: Final = 5.0
_EVERY_ADDRESS: Final = ("0.0.0.0", "::", "*", "+")


class HostNotRunning(HostError):
    """No host listens at the address, or another program does."""

    code = "DH3021"


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
    """The status and the body: its parsed JSON, or its text. Raises HostNotRunning.

    `text` becomes the input of a manual invocation. `answers_within` limits each wait for data, in seconds.
    """
    headers = {"x-functions-key": key} if key else {}
    body = None
    if text is not None:
        body = json.dumps({"input": text}).encode()
        headers["Content-Type"] = "application/json"
    connection = http.client.HTTPConnection(address.host, address.port, timeout=answers_within or _CONNECTS_WITHIN)
    try:
        connection.connect()
        assert connection.sock is not None
        connection.sock.settimeout(answers_within)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # the last for an odd host name
        raise HostNotRunning(
            f"No host answers at {address}.",
            cause=str(error),
            remedy="Start it with 'func start', or name its port with --port.",
        ) from error
    finally:
        connection.close()
    try:
        return response.status, json.loads(content)
    except ValueError:
        return response.status, content
