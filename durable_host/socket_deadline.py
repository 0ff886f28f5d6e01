"""A time limit for a whole exchange over a socket. The time-out of a socket limits each wait for data only."""

import http.client
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

T = TypeVar("T")

_TOO_LONG: Final = "The answer took too long."


def done_in_time(connection: socket.socket, until: float, exchange: Callable[[], T]) -> T:
    """Run the exchange, and end the connection at `until`, by `time.monotonic`, whatever the other side does.

    Raises TimeoutError.
    """
    expired = threading.Event()

    def end() -> None:
        expired.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        connection.settimeout(None)
        result = exchange()
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set():
            raise TimeoutError(_TOO_LONG) from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():  # the end of the connection may pass for the end of an answer
        raise TimeoutError(_TOO_LONG)
    return result
