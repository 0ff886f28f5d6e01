"""HTTP requests and responses that bypass the SDK's converters: the results are those of the converters."""

from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from azure.functions import meta
from azure.functions.http import HttpRequestConverter, HttpResponseConverter
from hypothesis import given
from hypothesis import strategies as st

from durable_host.worker import wire
from durable_host.worker.frames import FrameBody
from durable_host.worker.http_values import HttpValues

VALUES = HttpValues(func, HttpRequestConverter, HttpResponseConverter)
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
NAMES = st.sampled_from(["Content-Type", "content-type", "X-A", "x-a", "Location", "Content-Length"])
RESPONSES = st.fixed_dictionaries(
    {
        "body": st.none() | TEXT | st.binary(max_size=8),
        "status_code": st.sampled_from([None, 200, 204, 404, 999]),
        "headers": st.none() | st.dictionaries(NAMES, TEXT, max_size=4),
        "mimetype": st.sampled_from([None, "text/html", "application/json", ""]),
        "charset": st.sampled_from([None, "utf-8", "latin-1"]),
    }
)
TEXTS = st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3)


@given(RESPONSES)
def test_response_is_written_like_that_of_the_converter(fields: dict[str, Any]) -> None:
    ours, theirs = func.HttpResponse(**fields), func.HttpResponse(**fields)
    our_blob, their_blob = FrameBody(), FrameBody()
    written = VALUES.write(ours, our_blob)
    datum = HttpResponseConverter.encode(theirs, expected_type=None)
    assert written == wire.write(datum, their_blob, [])
    assert our_blob.parts == their_blob.parts
    assert list(ours.headers.items()) == list(theirs.headers.items())


def test_response_with_a_cookie_needs_the_converter() -> None:
    blob = FrameBody()
    assert VALUES.write(func.HttpResponse("x", headers={"set-Cookie": "a=b"}), blob) is None
    assert not blob.parts


def test_media_type_that_is_not_text_fails_as_in_the_converter() -> None:
    response: Any = func.HttpResponse("x", mimetype=5)  # type: ignore[arg-type]
    with pytest.raises(AttributeError) as theirs:
        HttpResponseConverter.encode(response, expected_type=None)
    with pytest.raises(AttributeError) as ours:
        VALUES.write(response, FrameBody())
    assert str(ours.value) == str(theirs.value)


@given(TEXTS, TEXTS, TEXTS, st.binary(max_size=8))
def test_request_is_read_like_that_of_the_converter(
    headers: dict[str, str], query: dict[str, str], params: dict[str, str], body: bytes
) -> None:
    fields: dict[str, Any] = {"method": "post", "url": "http://localhost/api/f?a=1", "headers": headers}
    fields |= {"query": query, "params": params, "body": [3, len(body)]}
    blob = b"xyz" + body + b"rest"
    ours = VALUES.read(fields, blob)
    theirs = HttpRequestConverter.decode(wire.read(meta.Datum, ["http", fields], blob), trigger_metadata={})
    assert type(ours) is type(theirs)
    for name in ("method", "url", "params", "route_params"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert dict(ours.headers) == dict(theirs.headers)
    assert ours.get_body() == theirs.get_body() == body


def test_the_installed_sdk_has_the_expected_form() -> None:
    assert VALUES.request_converter is HttpRequestConverter
    assert VALUES.response_converter is HttpResponseConverter


def test_sdk_of_another_form_keeps_its_converters() -> None:
    class Request:
        def __init__(self, method: str) -> None: ...

    http = SimpleNamespace(HttpRequest=Request, HttpRequestConverter=HttpRequestConverter)
    values = HttpValues(
        SimpleNamespace(http=http, HttpResponse=func.HttpResponse), HttpRequestConverter, HttpResponseConverter
    )
    assert values.request_converter is None
    assert values.response_converter is None
