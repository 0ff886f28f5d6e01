"""Responses of HTTP functions.

Source: docs/protocol/functions-host-http.md#returned-values,
    docs/protocol/functions-host-http.md#cors,
    docs/protocol/functions-host-http.md#examples
"""

import json

import pytest

from durable_host.invocation.datum import NONE, Datum, string
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.triggers.http.absent import AbsentHttpFunction, AbsentRoutes
from durable_host.triggers.http.cors import CorsPolicy
from durable_host.triggers.http.failure_reply import failure_reply
from durable_host.triggers.http.function_reply import function_reply
from durable_host.triggers.http.reply import HttpFunctionReply, InvalidReply, text_reply
from durable_host.triggers.http.return_value_hint import return_value_hint

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


@pytest.mark.parametrize("name", ["Transfer-Encoding", "content-length", "Connection", "Keep-Alive", "Upgrade"])
def test_a_response_object_does_not_set_the_headers_of_the_connection(name: str) -> None:
    assert text_reply(f'{{"body":"x","headers":{{"{name}":"1"}}}}').headers == PLAIN


@pytest.mark.parametrize("status", ['"abc"', "42", "[]", "1e999"])
def test_a_response_object_with_an_impossible_status_is_refused(status: str) -> None:
    with pytest.raises(InvalidReply):
        text_reply(f'{{"body":"x","status":{status}}}')


HTTP_TRIGGER = Binding("req", "httpTrigger", "in")


@pytest.mark.parametrize(
    ("outputs", "returned", "status"),
    [
        ([Binding("$return", "queue", "out")], string("sent"), 200),
        ([Binding("$return", "blob", "out")], string("sent"), 200),
        ([Binding("msg", "queue", "out")], None, 204),
        ([], None, 204),
        ([Binding("$return", "http", "out")], NONE, 204),
        ([Binding("res", "http", "out")], None, 204),
    ],
)
def test_a_function_that_gives_no_response_answers_by_where_its_value_goes(
    outputs: list[Binding], returned: Datum | None, status: int
) -> None:
    function = FunctionMetadata(name="f", bindings=(HTTP_TRIGGER, *outputs))
    reply = function_reply(function, returned, {})
    assert (reply.status, reply.headers, reply.body) == (status, (), b"")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("NoneType", "The function returned None; an HTTP response is a func.HttpResponse or a str."),
        ("dict", 'Return func.HttpResponse(json.dumps(value), mimetype="application/json").'),
        ("list", "Return func.HttpResponse(json.dumps(value)"),
        ("tuple", "Return func.HttpResponse(body, status_code=201)"),
        ("int", "Return str(value)"),
        ("bytes", "Return func.HttpResponse(value)."),
        ("coroutine", "Put await before the call"),
        (
            "Row",
            "a value of the type Row; an HTTP response is a func.HttpResponse or a str. Return a func.HttpResponse",
        ),
    ],
)
def test_a_value_that_cannot_be_a_response_is_reported_with_what_to_return(kind: str, told: str) -> None:
    error = f'unable to encode outgoing TypedData: unsupported type "http" for Python type "{kind}"'
    assert told in (return_value_hint(error) or "")


def test_the_error_of_a_function_without_a_response_says_to_declare_one() -> None:
    hint = return_value_hint("function 'f' without a $return binding returned a non-None value")
    assert '{"type": "http", "direction": "out", "name": "$return"}' in (hint or "")


def test_other_errors_have_no_hint_about_the_response() -> None:
    assert return_value_hint("division by zero") is None
    assert return_value_hint('unsupported type "queue" for Python type "dict"') is None


def absent_routes(*, explain: bool = True) -> AbsentRoutes:
    trigger = Binding("req", "httpTrigger", "in", {"route": "items/{id}", "methods": ["get"]})
    plain = Binding("req", "httpTrigger", "in")
    return AbsentRoutes(
        [
            AbsentHttpFunction(name="items", trigger=trigger, reason="this host has no 'cosmosDB'"),
            AbsentHttpFunction(name="Broken", trigger=plain, reason="it is <broken>.", status=500),
        ],
        "api",
        explain=explain,
    )


def test_a_function_that_is_not_served_answers_and_logs_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    reply = absent_routes().reply("GET", "/api/items/5", "*/*")
    assert reply is not None
    assert reply.status == 501
    told = "The function 'items' is not served: this host has no 'cosmosDB'."
    assert json.loads(reply.body) == {"error": told, "function": "items"}
    assert [record.getMessage() for record in caplog.records] == [f"GET /api/items/5: {told}"]


def test_a_browser_gets_a_page_and_code_that_does_not_load_is_a_500() -> None:
    reply = absent_routes().reply("POST", "/api/Broken", "text/html,*/*")
    assert reply is not None
    assert reply.status == 500
    assert b"it is &lt;broken&gt;." in reply.body


def test_the_reason_stays_in_the_log_where_errors_are_not_explained(caplog: pytest.LogCaptureFixture) -> None:
    assert absent_routes(explain=False).reply("GET", "/api/items/5", "*/*") == HttpFunctionReply(501)
    assert "this host has no 'cosmosDB'" in caplog.text


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/items/5"), ("GET", "/api/other"), ("GET", "/items/5")])
def test_other_requests_are_not_for_functions_that_are_not_served(method: str, path: str) -> None:
    assert absent_routes().reply(method, path, "*/*") is None


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
