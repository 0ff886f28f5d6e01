"""The methods of a server, and the error that ends a call."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec

from durable_host.grpc_port.status_code import StatusCode

Metadata = Mapping[str, str]
"""Headers of a call. Names are in lower case."""


class CallEnded(Exception):
    """Ends the call with this status and text."""

    def __init__(self, code: StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Method(msgspec.Struct, frozen=True):
    """`read` decodes a request, `write` encodes a response. Exactly one of `answer` and `stream` is set.

    `answer` returns the response, or an awaitable for it: a response that is ready needs no task. `stream` yields
    responses. Both are cancelled when the caller disconnects, and may raise CallEnded.
    """

    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    answer: Callable[[Any, Metadata], Any | Awaitable[Any]] | None = None
    stream: Callable[[Any, Metadata], AsyncIterator[Any]] | None = None


Methods = Mapping[str, Method]
"""By path: `/package.Service/Method`."""
