"""Responses without additional headers for their body.

aiohttp would add a content type.
"""

from aiohttp import hdrs, web


class PlainStream(web.StreamResponse):
    """A response whose body is written piece by piece."""

    async def _prepare_headers(self) -> None:
        has_type = hdrs.CONTENT_TYPE in self.headers
        await super()._prepare_headers()
        if not has_type:
            self.headers.popall(hdrs.CONTENT_TYPE, None)


class PlainResponse(PlainStream, web.Response):
    """A response with its whole body."""
