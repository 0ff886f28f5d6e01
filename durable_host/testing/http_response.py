"""The response to a request of a test."""

import json
from typing import Any, Final, Self

from multidict import CIMultiDictProxy

from durable_host.testing.settled import Settled

__tracebackhide__ = True

_MOST_SHOWN: Final = 1000


class HttpStatusError(AssertionError):
    """`HttpResponse.raise_for_status`: the status is 400 or above; the text has the start of the body."""


class HttpResponse(Settled):
    """A whole response. `content` are the bytes of its body, `text` the decoded text.

    `headers` ignores case; `headers.getall(name)` returns all values of a repeated header. `url` is the URL that
    answered, and `history` has the redirects on the way to it.
    """

    def __init__(
        self,
        *,
        method: str,
        url: str,
        status_code: int,
        reason: str,
        headers: CIMultiDictProxy[str],
        content: bytes,
        encoding: str,
        history: "tuple[HttpResponse, ...]" = (),
    ) -> None:
        self.method = method
        self.url = url
        self.status_code = status_code
        self.reason = reason
        self.headers = headers
        self.content = content
        self.encoding = encoding
        self.history = history

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status_code} {self.reason}>"

    @property
    def text(self) -> str:
        return self.content.decode(self.encoding, "replace")

    def json(self) -> Any:
        """The decoded JSON. Raises ValueError with the start of the body if it is not JSON."""
        try:
            return json.loads(self.content)
        except ValueError as error:
            raise ValueError(
                f"The body of {self.method} {self.url} is not JSON: {error}. {self._described()}"
            ) from error

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300

    def raise_for_status(self) -> Self:
        """Return this response. Raises HttpStatusError if its status is 400 or above."""
        if self.status_code >= 400:
            raise HttpStatusError(f"{self.method} {self.url} failed. {self._described()}")
        return self

    def _described(self) -> str:
        text = self.text.strip()
        shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
        return f"The response is {self.status_code} {self.reason}: {shown or '(no body)'}"
