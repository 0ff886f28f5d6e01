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
_SHORTEST: Final = 0.05
"""In seconds. A time-out of 0 would make the socket non-blocking."""


def done_in_time(connection: socket.socket, until: float, exchange: Callable[[], T]) -> T:
    """Run the exchange, and end the connection at `until`, by `time.monotonic`, whatever the other side does.

    The socket's own time-out ends the wait for a silent side; the end of the connection stops one that sends in drips.
    The time-out stays set afterwards. Raises TimeoutError.
    """
    expired = threading.Event()

    def end() -> None:
        expired.set()
        with suppress(OSError):
            # The method of an SSLSocket would drop its TLS state, which another thread is using.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, until - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        connection.settimeout(max(_SHORTEST, until - time.monotonic()))
        result = exchange()
    except (OSError, http.client.HTTPException) as error:
        if expired.is_set() or isinstance(error, TimeoutError):
            raise TimeoutError(_TOO_LONG) from error
        raise
    finally:
        timer.cancel()
    if expired.is_set():  # the end of the connection may pass for the end of an answer
        raise TimeoutError(_TOO_LONG)
    return result
