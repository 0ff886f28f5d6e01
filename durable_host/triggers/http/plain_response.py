"""A response with the headers that it was given, and no others that describe its body."""

from aiohttp import hdrs, web


class PlainResponse(web.Response):
    """aiohttp gives a body without a content type one of its own; this one leaves it without."""

    async def _prepare_headers(self) -> None:
        has_type = hdrs.CONTENT_TYPE in self.headers
        await super()._prepare_headers()
        if not has_type:
            self.headers.popall(hdrs.CONTENT_TYPE, None)
