"""Converts HTTP requests and responses like the SDK's converters, which take three times as long.

Source: docs/protocol/functions-host-values.md#inputs, docs/protocol/functions-host-values.md#outputs
"""

from __future__ import annotations

import inspect
from typing import Any

from .frames import FrameBody

_REQUEST_FIELDS = ["method", "url", "headers", "params", "route_params", "body_type", "body"]


class HttpValues:
    """Creates the SDK's requests, and reads its responses.

    `request_converter` and `response_converter` are those that `read` and `write` replace; None if the SDK does not
    have the expected form.
    """

    def __init__(self, functions: Any, request_converter: Any, response_converter: Any) -> None:
        module: Any = getattr(functions, "http", None)
        self._request: Any = getattr(module, "HttpRequest", None)
        self.request_converter: Any = None
        self.response_converter: Any = None
        self.response_type: Any = functions.HttpResponse
        has_request = request_converter is getattr(module, "HttpRequestConverter", self)
        if has_request and list(inspect.signature(self._request).parameters) == _REQUEST_FIELDS:
            self.request_converter = request_converter
        if response_converter is getattr(module, "HttpResponseConverter", self):
            self.response_converter = response_converter

    def read(self, fields: dict[str, Any], blob: bytes) -> Any:
        """The request for a function. `fields` and `blob` are those of the frame."""
        start, size = fields["body"]
        return self._request(
            method=fields["method"],
            url=fields["url"],
            headers=fields["headers"],
            params=fields["query"],
            route_params=fields["params"],
            body_type="bytes",
            body=blob[start : start + size],
        )

    def write(self, response: Any, blob: FrameBody) -> list[Any] | None:
        """The frame's value for a response of exactly `response_type`; None if it needs the SDK's converter."""
        headers: dict[str, str] = {}
        has_type = False
        for name, value in response.headers.items():
            lowered = name.lower()
            if lowered == "set-cookie":
                return None
            has_type = has_type or lowered == "content-type"
            headers[name] = value
        if not has_type:
            kind = response.mimetype
            kind = f"{kind}; charset={response.charset}" if kind.startswith("text/") else f"{kind}"
            response.headers["content-type"] = headers["content-type"] = kind
        body = blob.add(response.get_body() or b"")
        return ["http", {"status": str(response.status_code), "headers": headers, "cookies": [], "body": body}]
