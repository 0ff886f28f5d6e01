"""Values between host and Node.js functions: what handlers receive, and how their return values are converted."""

import json
from pathlib import Path
from typing import Any

import pytest
from node_pools import running_node
from npm_packages import NpmPackages
from worker_apps import http

from durable_host.invocation.datum import NONE, Datum, HttpReply, binary, json_text, string
from durable_host.invocation.errors import FunctionFailed

SHOW = "const show = (v) => Buffer.isBuffer(v) ? `Buffer ${v}` : v === undefined ? 'undefined' : JSON.stringify(v);\n"
ECHO = SHOW + (
    "app.storageQueue('f', { queueName: 'q', connection: '', handler: (item) => show(item),\n"
    "  return: output.storageQueue({ queueName: 'o', connection: '' }) });\n"
)

INPUTS = [
    (string('{"a":1}'), '{"a":1}'),
    (string("42"), "42"),
    (string("true"), "true"),
    (string("plain"), '"plain"'),
    (string('"q"'), '"q"'),
    (string(""), '""'),
    (string("ü" * 3000), json.dumps("ü" * 3000, ensure_ascii=False)),
    (json_text('{"b":[1,2]}'), '{"b":[1,2]}'),
    (binary(b"bytes"), "Buffer bytes"),
    (Datum("int", 5), "5"),
    (Datum("double", 0.5), "0.5"),
    (Datum("collection_string", ["1", "x"]), '[1,"x"]'),
    (NONE, "undefined"),
]


async def test_handlers_get_parsed_values(tmp_path: Path, npm_packages: NpmPackages) -> None:
    async with running_node(tmp_path, ECHO, npm_packages) as app:
        shown = [(await app.text("f", datum), expected) for datum, expected in INPUTS]
        assert [got for got, _ in shown] == [expected for _, expected in shown]
        batch = Datum("collection_bytes", [b"one", b"two"])
        assert json.loads(await app.text("f", batch) or "")[1] == {"type": "Buffer", "data": [*b"two"]}


RETURNED: list[tuple[str, Datum | None]] = [
    ("'text'", string("text")),
    ("''", string("")),
    ("'x'.repeat(5000)", string("x" * 5000)),
    ("7", Datum("int", 7)),
    ("2 ** 70", json_text(str(2**70))),
    ("0.25", Datum("double", 0.25)),
    ("NaN", string("NaN")),
    ("-Infinity", string("-Infinity")),
    ("true", json_text("true")),
    ("[1, 'b']", json_text('[1,"b"]')),
    ("({ a: { b: null } })", json_text('{"a":{"b":null}}')),
    ("new Date(0)", json_text('"1970-01-01T00:00:00.000Z"')),
    ("new Map([[1, 2]])", json_text("{}")),
    ("Buffer.from('hi')", binary(b"hi")),
    ("new Uint16Array([0x6968])", binary(b"hi")),
    ("new Uint8Array([104, 105]).buffer", binary(b"hi")),
    ("undefined", None),
    ("null", None),
]


async def test_returned_and_set_values_reach_the_host(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = "const values = [" + ", ".join(f"() => {text}" for text, _ in RETURNED) + "];\n"
    code += """
    const extra = output.storageQueue({ queueName: 'o', connection: '' });
    app.storageQueue('f', { queueName: 'q', connection: '', extraOutputs: [extra],
      return: output.storageQueue({ queueName: 'p', connection: '' }),
      handler: (at, context) => {
        context.extraOutputs.set(extra, values[at]());
        return values[at]();
      } });"""
    async with running_node(tmp_path, code, npm_packages) as app:
        name = next(binding.name for binding in app.function("f").outputs if not binding.is_return)
        for at, (text, expected) in enumerate(RETURNED):
            response = await app.call("f", string(str(at)))
            returned = response.return_value
            assert (None if returned is None or returned.is_none else returned) == expected, text
            assert response.outputs.get(name) == expected, text


@pytest.mark.parametrize(
    ("code", "text"), [("10n", "serialize a BigInt"), ("(() => { const a = {}; a.a = a; return a; })()", "circular")]
)
async def test_a_value_that_is_not_json_fails_the_call(
    tmp_path: Path, npm_packages: NpmPackages, code: str, text: str
) -> None:
    async with running_node(tmp_path, ECHO.replace("show(item)", f"({{ value: {code} }})"), npm_packages) as app:
        with pytest.raises(FunctionFailed, match=text) as raised:
            await app.call("f", string(""))
        assert raised.value.type == "TypeError"


async def test_trigger_metadata_and_inputs_are_camel_cased(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = """
    const blob = input.storageBlob({ path: 'c/b', connection: '' });
    app.storageQueue('f', { queueName: 'q', connection: '', extraInputs: [blob],
      return: output.storageQueue({ queueName: 'o', connection: '' }),
      handler: (item, context) => (
        { m: context.triggerMetadata, missing: context.extraInputs.get(blob) === undefined }
      ) });"""
    async with running_node(tmp_path, code, npm_packages) as app:
        (blob,) = app.function("f").inputs
        metadata = {"Id": "a-b", "DequeueCount": 1, "Sys": {"MethodName": "f"}, "ABC": None}
        text = await app.text("f", string("x"), inputs={blob.name: NONE}, trigger_metadata=metadata)
        assert json.loads(text or "") == {
            "m": {"id": "a-b", "dequeueCount": 1, "sys": {"methodName": "f"}},
            "missing": True,
        }


REQUESTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"path": "/api/f?q=&z=1&z=2&s=a%20b"}, {"query": [["q", ""], ["z", "1,2"], ["s", "a b"]]}),
    ({"path": "/api/f?constructor=y&constructor=z"}, {"query": [["constructor", "y,z"]]}),
    ({"method": "POST", "body": b'{"a":1}'}, {"text": '{"a":1}', "method": "POST"}),
    ({"body": b"ignored"}, {"text": "", "method": "GET"}),
    ({"method": "PUT"}, {"text": ""}),
    ({"headers": {"X-A": "b", "x-empty": ""}}, {"headers": {"x-a": "b", "x-empty": ""}}),
    ({"params": {"name": "Bob"}}, {"params": {"name": "Bob"}}),
]


@pytest.mark.parametrize("kind", ["oldest", "newest"])
async def test_requests_are_complete(tmp_path: Path, npm_packages: NpmPackages, kind: str) -> None:
    code = """
    app.http('f', { methods: ['GET', 'POST', 'PUT'], route: 'f/{name?}', handler: async (request, context) => (
      { jsonBody: { method: request.method, url: request.url, query: [...request.query],
      headers: Object.fromEntries(request.headers),
      params: request.params, text: await request.text(), metadata: context.triggerMetadata === undefined,
    } }) });"""
    async with running_node(tmp_path, code, npm_packages, kind=kind) as app:
        for given, expected in REQUESTS:
            got = json.loads((await app.get("f", **given)).body)
            assert {name: got[name] for name in expected} == expected
            assert got["metadata"] is True


REPLIES: list[tuple[str, HttpReply | None]] = [
    (
        "{ status: 201, jsonBody: { a: 1 }, headers: { 'X-Test': 'yes' } }",
        HttpReply(201, {"content-type": "application/json", "x-test": "yes"}, [], b'{"a":1}', True),
    ),
    ("{ body: 'text' }", HttpReply(200, {"content-type": "text/plain;charset=UTF-8"}, [], b"text", True)),
    ("{ body: Buffer.from([1, 2]) }", HttpReply(200, {}, [], b"\x01\x02", True)),
    ("{}", HttpReply(200, {}, [], b"", True)),
    ("[1]", HttpReply(200, {}, [], b"", True)),
    (
        "new Response('native', { status: 202 })",
        HttpReply(202, {"content-type": "text/plain;charset=UTF-8"}, [], b"native", True),
    ),
    ("undefined", None),
    ("null", None),
    (
        "{ cookies: [{ name: 'c1', value: \"v 1'\", domain: 'localhost', path: '/p', expires: new Date(1767225600000), "
        "secure: true, httpOnly: true, sameSite: 'Lax', maxAge: 60 }, { name: 'c2', value: '', sameSite: 'None' }] }",
        HttpReply(
            200,
            {},
            [
                "c1=v%201%27; expires=Thu, 01 Jan 2026 00:00:00 GMT; max-age=60; domain=localhost; path=/p; secure; "
                "samesite=lax; httponly",
                "c2=; path=/; samesite=none",
            ],
            b"",
            True,
        ),
    ),
    ("{ headers: { 'Set-Cookie': 'a=b; Path=/' } }", HttpReply(200, {}, ["a=b; Path=/"], b"", True)),
]  # fmt: skip


async def test_responses_are_what_the_library_makes_of_them(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = "const replies = [" + ", ".join(f"() => ({text})" for text, _ in REPLIES) + "];\n"
    code += "app.http('f', { handler: (request) => replies[request.query.get('at')]() });"
    async with running_node(tmp_path, code, npm_packages) as app:
        for at, (text, expected) in enumerate(REPLIES):
            returned = (await app.call("f", http(path=f"/api/f?at={at}"))).return_value
            assert (None if returned is None or returned.is_none else returned.value) == expected, text


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("'text'", 'The HTTP response must be an object with optional properties "body"'),
        ("{ status: 99 }", "must be in the range of 200 to 599"),
    ],
)
async def test_a_response_that_cannot_be_sent_fails_the_call(
    tmp_path: Path, npm_packages: NpmPackages, reply: str, message: str
) -> None:
    code = f"app.http('f', {{ handler: () => ({reply}) }});"
    async with running_node(tmp_path, code, npm_packages) as app:
        with pytest.raises(FunctionFailed, match=message):
            await app.call("f", http())


async def test_a_client_is_created_from_the_location_of_a_blob(tmp_path: Path, npm_packages: NpmPackages) -> None:
    """An extension registers what makes clients; this one gives the place itself."""
    code = """
    const path = require('path');
    const base = require.resolve('@azure/functions-extensions-base', { paths: [require.resolve('@azure/functions')] });
    const { ResourceFactoryResolver } = require(base);
    ResourceFactoryResolver.getInstance().registerResourceFactory('AzureStorageBlobs', (data) => (
      { version: data.version, type: data.contentType, place: JSON.parse(data.content.toString()) }
    ));
    app.storageBlob('f', { path: 'cont/{name}', connection: 'C', sdkBinding: true, handler: (client) => client,
      return: output.storageQueue({ queueName: 'o', connection: '' }) });"""
    async with running_node(tmp_path, code, npm_packages) as app:
        assert app.function("f").trigger.is_deferred
        place = {"Connection": "C", "ContainerName": "cont", "BlobName": "b"}
        client = json.loads(await app.text("f", json_text(json.dumps(place))) or "")
        assert client == {"version": "1.0", "type": "application/json", "place": place}
