"""Apps that pin an azure-functions version from before retry policies and cookies, which Azure's workers run too."""

from pathlib import Path

from worker_apps import HEADER, running

from durable_host.invocation.datum import binary, json_text, string

OLDER = """
from azure.functions.decorators.function_app import Function
from azure.functions.http import HttpResponseConverter

del Function.get_settings_dict
encode = HttpResponseConverter.encode


def without_cookies(value, *, expected_type):
    datum = encode(value, expected_type=expected_type)
    del datum.value["cookies"]
    return datum


HttpResponseConverter.encode = without_cookies


@app.route("f")
def f(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("served")
"""


async def test_function_of_an_sdk_without_retry_policies_and_cookies_is_served(tmp_path: Path):
    async with running(tmp_path, {"function_app.py": HEADER + OLDER}) as app:
        assert (await app.get("f")).body == b"served"
        assert app.index.functions[0].retry is None


BEFORE_MCP = """
from azure.functions.meta import _ConverterMeta

for name in ("mcpToolTrigger", "mcpResourceTrigger", "mcpPromptTrigger"):
    _ConverterMeta._bindings.pop(name, None)


@app.generic_trigger(arg_name="context", type="mcpToolTrigger", toolName="t", description="d", toolProperties="[]")
def tool(context) -> str:
    return {"got": context}


@app.generic_trigger(arg_name="context", type="mcpResourceTrigger", uri="file://x", resourceName="x")
def resource(context) -> bytes:
    return b"\\xff"
"""


async def test_mcp_functions_of_an_sdk_without_mcp_are_served_by_their_generic_trigger(tmp_path: Path):
    async with running(tmp_path, {"function_app.py": HEADER + BEFORE_MCP}) as app:
        given = await app.call("tool", string("{}"))
        assert given.return_value == json_text('{"got": "{}"}')
        assert (await app.call("resource", string("{}"))).return_value == binary(b"\xff")
