"""The methods of a server, and the error that ends a call."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

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


class DuplexCall(Protocol):
    """A call in which both sides send messages at any time."""

    def send(self, response: bytes, /) -> None:
        """Send an encoded message as soon as the peer's window allows it. Does nothing if the call has ended."""
        ...

    async def drain(self) -> None:
        """Wait until all messages were written."""
        ...

    def end(self, code: StatusCode = StatusCode.OK, text: str = "") -> None:
        """End the call with a status."""
        ...


class DuplexPeer(Protocol):
    """Receives what the caller of a duplex method sends."""

    def received(self, request: Any, /) -> None:
        """Handle a message. May raise CallEnded."""
        ...

    def ended(self) -> None:
        """The caller has sent its last message, or the call has ended. Called once."""
        ...


class Method(msgspec.Struct, frozen=True):
    """`read` decodes a request, `write` encodes a response. Exactly one of `answer`, `stream` and `duplex` is set.

    `answer` returns the response, or an awaitable for it: a response that is ready needs no task. `stream` yields
    responses. Both are cancelled when the caller disconnects, and may raise CallEnded. `duplex` accepts a call and
    returns the receiver of its messages.
    """

    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    answer: Callable[[Any, Metadata], Any | Awaitable[Any]] | None = None
    stream: Callable[[Any, Metadata], AsyncIterator[Any]] | None = None
    duplex: Callable[[DuplexCall, Metadata], DuplexPeer] | None = None


Methods = Mapping[str, Method]
"""By path: `/package.Service/Method`."""
