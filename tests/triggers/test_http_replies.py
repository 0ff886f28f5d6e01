"""Responses of HTTP functions: spec/functions-host.md, sections 3.5, 3.7 and 12."""

import json

import pytest

from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.http.failure import failure_reply
from durable_host.triggers.http.reply import InvalidReply, text_reply

PLAIN = (("Content-Type", "text/plain; charset=utf-8"),)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("hi", b"hi"),
        ('{"a":1}', b'{"a":1}'),
        ("[1, 2]", b"[1, 2]"),
        ("123", b"123"),
        ("1.50", b"1.5"),
        ("true", b"True"),
        ("null", b""),
        ("", b""),
        ('"quoted"', b"quoted"),
        ("{not json", b"{not json"),
        ("NaN", b"NaN"),
        ("ä", "ä".encode()),
    ],
)
def test_a_returned_text_is_printed_as_plain_text(text: str, body: bytes) -> None:
    reply = text_reply(text)
    assert (reply.status, reply.headers, reply.body) == (200, PLAIN, body)


def test_a_json_object_with_a_body_is_a_response_object() -> None:
    reply = text_reply('{"Body":"x","status":201}')
    assert (reply.status, reply.headers, reply.body) == (201, PLAIN, b"x")
    reply = text_reply('{"body":{"a": 1},"statusCode":"202","status":500,"headers":{"content-type":"text/x","n":1}}')
    assert (reply.status, reply.headers, reply.body) == (202, (("content-type", "text/x"), ("n", "1")), b'{"a":1}')
    assert text_reply('{"body":null}').body == b""
    assert text_reply('{"body":"\\ud800"}').body == b"?"


@pytest.mark.parametrize("status", ['"abc"', "42", "[]", "1e999"])
def test_a_response_object_with_an_impossible_status_is_refused(status: str) -> None:
    with pytest.raises(InvalidReply):
        text_reply(f'{{"body":"x","status":{status}}}')


def test_a_preflight_of_an_allowed_origin_is_answered_with_what_it_asks_for() -> None:
    policy = CorsPolicy(("http://x",))
    asked = {
        "Origin": "http://x",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "x-a, x-b",
    }
    assert policy.is_preflight("OPTIONS", asked)
    assert policy.preflight_headers(asked) == {
        "Access-Control-Allow-Origin": "http://x",
        "Vary": "Origin",
        "Access-Control-Allow-Methods": "PUT",
        "Access-Control-Allow-Headers": "x-a, x-b",
    }
    assert policy.preflight_headers({**asked, "Origin": "http://y"}) == {}
    assert not policy.is_preflight("OPTIONS", {"Origin": "http://x"})


def test_credentials_are_allowed_for_named_origins_only() -> None:
    assert CorsPolicy(("*",)).response_headers({"Origin": "http://y"}) == {"Access-Control-Allow-Origin": "*"}
    named = CorsPolicy(("http://x",), credentials=True).response_headers({"Origin": "http://x"})
    assert named["Access-Control-Allow-Credentials"] == "true"
    assert CorsPolicy(("http://x",)).response_headers({}) == {}


def test_a_failure_explains_itself_to_the_developer() -> None:
    told = {"function": "f", "error": "ValueError: <boom>", "stack": "line\n"}
    reply = failure_reply(**told, accept="*/*", explain=True)
    assert reply.status == 500
    assert json.loads(reply.body)["error"] == "ValueError: <boom>"
    page = failure_reply(**told, accept="text/html,*/*", explain=True)
    assert b"&lt;boom&gt;" in page.body
    assert failure_reply(**told, accept="*/*", explain=False).body == b""
