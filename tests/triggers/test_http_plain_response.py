"""The bytes of responses that functions return, compared with aiohttp's."""

from collections.abc import Callable
from unittest.mock import patch

import pytest
from aiohttp import ClientSession, web
from multidict import CIMultiDict

from durable_host.triggers.http.plain_response import PlainResponse, PlainStream


class Reference(PlainStream, web.Response):
    """aiohttp's response, without the content type that it adds."""


def set_cookie(response: web.Response) -> None:
    response.set_cookie("name", "value")


def set_body(response: web.Response) -> None:
    response.body = b"another body"


def set_text(response: web.Response) -> None:
    response.text = "another text"


def set_payload(response: web.Response) -> None:
    response.body = "a payload"


@pytest.mark.parametrize(
    "change",
    [
        set_cookie,
        set_body,
        set_text,
        set_payload,
        web.Response.enable_chunked_encoding,
        web.Response.enable_compression,
    ],
)
async def test_change_after_the_construction_reaches_the_client(change: Callable[[web.Response], None]) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        response = PlainResponse(200, CIMultiDict(), b"body") if request.path == "/plain" else Reference(body=b"body")
        change(response)
        return response

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with ClientSession(auto_decompress=False) as session:
            with (
                patch("aiohttp.web_response.rfc822_formatted_time", return_value="now"),
                patch("durable_host.triggers.http.plain_response.rfc822_formatted_time", return_value="now"),
            ):
                async with session.get(f"http://{host}:{port}/plain") as plain:
                    found = plain.status, sorted(plain.headers.items()), await plain.read()
                async with session.get(f"http://{host}:{port}/") as reference:
                    assert found == (reference.status, sorted(reference.headers.items()), await reference.read())
    finally:
        await runner.cleanup()
