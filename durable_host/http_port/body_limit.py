"""The size limit of request bodies, and the response to larger ones."""

import logging

from aiohttp import web

from durable_host.config.settings import AppSettings
from durable_host.errors import ConfigurationError
from durable_host.http_port.express import PlainRequest

_log = logging.getLogger("Host.Triggers.Http")

DEFAULT_BODY_LIMIT = 104_857_600
BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
TOO_LARGE = "DH3040"


def body_limit(settings: AppSettings) -> int:
    """The limit in bytes. Raises ConfigurationError if the setting is not a number."""
    return configured_body_limit(settings) or DEFAULT_BODY_LIMIT


def configured_body_limit(settings: AppSettings) -> int | None:
    """Like `body_limit`, but None without the setting."""
    text = settings.get(BODY_LIMIT_SETTING, "").strip()
    if not text:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ConfigurationError(
            f"{BODY_LIMIT_SETTING} is '{text}', expected a number of bytes.",
            remedy=f"Change it in local.settings.json or in the environment; {DEFAULT_BODY_LIMIT} is the default.",
        )
    return int(text)


async def read_body(request: web.Request) -> bytes:
    """Read the whole body. Raises aiohttp's 413, before reading if the `Content-Length` is over the limit."""
    length, limit = request.content_length or 0, request.client_max_size
    if length > limit > 0:
        raise web.HTTPRequestEntityTooLarge(limit, length)
    return await request.read()


def too_large(request: web.Request | PlainRequest, limit: int) -> web.Response:
    """The 413 response. Body and log name the limit and its setting."""
    text = (
        f"The body of {request.method} {request.rel_url.raw_path} is longer than the limit of {limit} bytes. The "
        f"setting {BODY_LIMIT_SETTING} changes it, in local.settings.json or in the environment; restart the host then."
    )
    _log.warning("%s: %s", TOO_LARGE, text)
    return web.json_response({"Message": text}, status=413)
