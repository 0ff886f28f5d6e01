"""Apps with function.json files.

Source: docs/protocol/functions-host-app.md#function-folders
"""

import json
from pathlib import Path
from typing import Any

import pytest
from worker_apps import HEADER, http, index_of, messages, running

from durable_host.invocation.datum import string


def function_json(*bindings: dict[str, Any], **properties: Any) -> str:
    return json.dumps({"bindings": list(bindings), **properties})


HTTP_TRIGGER = {"name": "req", "type": "httpTrigger", "direction": "in", "authLevel": "anonymous", "methods": ["get"]}
HTTP_OUT = {"name": "$return", "type": "http", "direction": "out"}
QUEUE_OUT = {"name": "msg", "type": "queue", "direction": "Out", "queueName": "q", "connection": "C"}
ACTIVITY = {"name": "name", "type": "activityTrigger", "direction": "in"}

APP = {
    "shared/tools.py": "def greet(name): return f'hi {name}'\n",
    "Hello/function.json": function_json(HTTP_TRIGGER, HTTP_OUT, QUEUE_OUT),
    "Hello/__init__.py": """
        import azure.functions as func
        from shared import tools
        from ..shared.tools import greet
        from __app__.shared import tools as same

        def main(req: func.HttpRequest, msg: func.Out[str], context: func.Context) -> func.HttpResponse:
            assert tools.greet("x") == greet("x") == same.greet("x")
            msg.set("queued")
            return func.HttpResponse(greet(req.params["name"]) + " " + context.function_directory)
        """,
    "Act/function.json": function_json(ACTIVITY, scriptFile="../shared/acts.py", entryPoint="run"),
    "shared/acts.py": "def run(name: str) -> str: return name.upper()\n",
    "Only/function.json": function_json(ACTIVITY, disabled="SWITCH"),
    "Only/anything.py": "async def main(name): return name\n",
    "Orch/function.json": function_json({"name": "context", "type": "orchestrationTrigger", "direction": "in"}),
    "Orch/__init__.py": """
        import azure.durable_functions as df

        def orchestrate(context: df.DurableOrchestrationContext):
            result = yield context.call_activity("Act", "x")
            return result

        main = df.Orchestrator.create(orchestrate)
        """,
    "Old/function.json": function_json(
        HTTP_TRIGGER, HTTP_OUT, {"name": "starter", "type": "orchestrationClient", "direction": "in"}
    ),
    "Old/__init__.py": """
        import azure.durable_functions as df

        async def main(req, starter: str):
            return df.DurableOrchestrationClient(starter)._orchestration_bindings.task_hub_name
        """,
    "not_a_function/readme.md": "",
}


async def test_functions_of_folders_are_found_and_run(tmp_path: Path):
    async with running(tmp_path, APP) as app:
        assert app.index.errors == ()
        assert app.index.model == "v1"
        assert sorted(function.name for function in app.index.functions) == ["Act", "Hello", "Old", "Only", "Orch"]
        response = await app.call("Hello", http(query={"name": "Bob"}))
        assert response.outputs == {"msg": string("queued")}
        assert response.return_value is not None
        assert response.return_value.value.body.decode() == f"hi Bob {tmp_path / 'Hello'}"
        assert await app.text("Act", string('"x"')) == '"X"'
        assert await app.text("Only", string("5")) == "5"
        client = json.dumps({"taskHubName": "Hub", "creationUrls": {}, "managementUrls": {}})
        assert await app.text("Old", http(), inputs={"starter": string(client)}) == "Hub"
        hello = app.function("Hello")
        assert hello.trigger.properties == {"authLevel": "anonymous", "methods": ["get"]}
        assert [binding.direction for binding in hello.bindings] == ["in", "out", "out"]
        assert (hello.script_file, hello.entry_point) == ("Hello/__init__.py", "main")
        assert (app.function("Act").script_file, app.function("Act").entry_point) == ("shared/acts.py", "run")
        assert app.function("Only").disabled == "SWITCH"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"F/function.json": function_json(ACTIVITY, scriptFile="gone.py"), "F/x.py": ""},
            "The 'scriptFile' property is set to a file that does not exist.",
        ),
        (
            {"F/function.json": function_json(ACTIVITY), "F/a.py": "", "F/b.py": ""},
            "Unable to determine the primary function script.",
        ),
        ({"F/function.json": function_json(ACTIVITY), "F/x.txt": ""}, "invalid Python filename"),
        ({"F/function.json": function_json(ACTIVITY), "F/x.py": "y = 1"}, "main() is not present in"),
        ({"F/function.json": function_json(ACTIVITY), "F/x.py": "def main(other): ..."}, "cannot load the F function"),
        (
            {"F/function.json": function_json(ACTIVITY), "F/x.py": "import missing_thing"},
            "No module named 'missing_thing'",
        ),
        ({"F/function.json": "{", "F/x.py": ""}, "Unable to parse function.json"),
        ({"F/function.json": "[]", "F/x.py": ""}, "function.json must contain a JSON object"),
        ({"F/function.json": '{"bindings": [5]}', "F/x.py": ""}, "must be a JSON object"),
        (
            {"F/function.json": function_json({**ACTIVITY, "direction": "sideways"}), "F/x.py": "def main(name): ..."},
            "'sideways' is not a valid binding direction.",
        ),
        (
            {"F/function.json": function_json({**ACTIVITY, "direction": "inout"}), "F/x.py": "def main(name): ..."},
            '"inout" bindings are not supported',
        ),
        (
            {
                "F/function.json": function_json(ACTIVITY, {**HTTP_OUT, "direction": "in"}),
                "F/x.py": "def main(name): ...",
            },
            '"$return" binding must have direction set to "out"',
        ),
        (
            {
                "F/function.json": function_json(ACTIVITY, retry={"strategy": "fixedDelay", "maxRetryCount": 1}),
                "F/x.py": "def main(name): ...",
            },
            "the strategy fixedDelay of 'retry' needs 'delayInterval': write \"delayInterval\": \"00:00:10\"",
        ),
        (
            {"F/function.json": function_json(ACTIVITY, retry={"strategy": "other"}), "F/x.py": "def main(name): ..."},
            "the strategy of 'retry' must be fixedDelay or exponentialBackoff",
        ),
        (
            {
                "F/function.json": function_json(
                    ACTIVITY, retry={"strategy": "fixed_delay", "maxRetryCount": 1, "delayInterval": "00:00:01"}
                ),
                "F/x.py": "def main(name): ...",
            },
            'not \'fixed_delay\': write "strategy": "fixedDelay"',
        ),
        (
            {
                "F/function.json": function_json(
                    ACTIVITY, retry={"strategy": "fixedDelay", "maxRetryCount": 1, "delayInterval": "-00:00:01"}
                ),
                "F/x.py": "def main(name): ...",
            },
            "'delayInterval' of 'retry' must not be negative",
        ),
        (
            {
                "F/function.json": function_json({"name": "ctx", "type": "entityTrigger", "direction": "in"}),
                "F/x.py": "def main(context): ...",
            },
            '"name": "ctx" of the entityTrigger binding in function.json is not possible: write "name": "context"',
        ),
        (
            {
                "F/function.json": function_json(ACTIVITY, retry={"strategy": "fixedDelay"}),
                "F/x.py": "def main(name): ...",
            },
            "'maxRetryCount' of 'retry' must be a whole number from -1 (forever), and is missing",
        ),
    ],
)
async def test_function_that_does_not_load_leaves_the_others_running(
    tmp_path: Path, files: dict[str, str], message: str
):
    sound = {"Sound/function.json": function_json(ACTIVITY), "Sound/__init__.py": "def main(name): ...\n"}
    index = await index_of(tmp_path, {**sound, **files})
    assert [function.name for function in index.functions] == ["Sound"]
    [error] = index.errors
    assert error.function == "F"
    assert message in error.message


@pytest.mark.parametrize(
    ("code", "line", "hint"),
    [
        ("import missing_thing", 1, "Please check the requirements.txt file for the missing module."),
        ("import missing_thing", 1, "needs a relative import, such as `from . import missing_thing`"),
        ("import os\nimport helper", 2, "write `from . import helper` (a relative import)"),
        ("from helper import x", 1, "'helper' is in the function's own folder"),
        ("from ...far import x", 1, "Relative imports end at the folder of the app"),
        ("from os import no_such", 1, "cannot import name 'no_such'"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("x = 1\ndef main(", 2, "SyntaxError"),
    ],
)
async def test_code_that_fails_to_load_is_reported_with_its_place(tmp_path: Path, code: str, line: int, hint: str):
    files = {"F/function.json": function_json(ACTIVITY), "F/__init__.py": code, "F/helper.py": "x = 1\n"}
    [error] = (await index_of(tmp_path, files)).errors
    path = tmp_path / "F" / "__init__.py"
    assert error.message.startswith(f"{path}:{line}: ")
    assert hint in error.message
    assert "Azure would serve none" not in error.message
    assert f'File "{path}", line {line}' in error.traceback
    assert "durable_host" not in error.traceback


async def test_functions_that_are_not_to_be_served_are_not_imported(tmp_path: Path):
    files = {
        "Wanted/function.json": function_json(ACTIVITY),
        "Wanted/__init__.py": "def main(name): ...\n",
        "Other/function.json": function_json(ACTIVITY),
        "Other/__init__.py": "raise RuntimeError('imported')\n",
    }
    index = await index_of(tmp_path, files, functions=("wanted",))
    assert [function.name for function in index.functions] == ["Wanted"]
    assert index.errors == ()
    assert index.excluded == ("Other",)


async def test_retry_of_function_json_is_read(tmp_path: Path):
    policy = {
        "strategy": "exponentialBackoff",
        "maxRetryCount": 5,
        "minimumInterval": "00:00:10",
        "maximumInterval": "00:15:00",
    }
    files = {"F/function.json": function_json(ACTIVITY, retry=policy), "F/__init__.py": "def main(name): ...\n"}
    [function] = (await index_of(tmp_path, files)).functions
    assert function.retry is not None
    assert (function.retry.max_retry_count, function.retry.minimum_interval, function.retry.maximum_interval) == (
        5,
        10,
        900,
    )


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + function_json(ACTIVITY),
        f'{{// scheduled\n "bindings": [{json.dumps(ACTIVITY)},], /* "disabled": true */ }}',
    ],
)
async def test_function_json_with_a_byte_order_mark_comments_or_trailing_commas_is_read(tmp_path: Path, text: str):
    files = {"F/function.json": text, "F/__init__.py": "def main(name): ...\n"}
    assert len((await index_of(tmp_path, files)).functions) == 1


async def test_decorated_app_hides_function_json_and_says_so(tmp_path: Path):
    files = {
        "function_app.py": HEADER + '@app.route("f")\ndef f(req): ...\n',
        "Old/function.json": function_json(ACTIVITY),
        "Old/__init__.py": "def main(name): ...\n",
    }
    index = await index_of(tmp_path, files)
    assert [function.name for function in index.functions] == ["f"]
    [warning] = index.warnings
    assert warning.startswith("Detected mixed function app. Some functions may not be indexed - Old:")


async def test_decorated_app_without_functions_falls_back_to_function_json(tmp_path: Path):
    files = {
        "function_app.py": HEADER,
        "Old/function.json": function_json(ACTIVITY),
        "Old/__init__.py": "def main(name): ...\n",
    }
    index = await index_of(tmp_path, files)
    assert [function.name for function in index.functions] == ["Old"]


async def test_logs_of_a_function_carry_its_folder_name(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    files = {
        "Fn/function.json": function_json(ACTIVITY),
        "Fn/__init__.py": "import logging\ndef main(name): logging.warning('seen')\n",
    }
    async with running(tmp_path, files) as app:
        await app.call("Fn", string("1"))
    assert messages(caplog, "Function.Fn.User") == ["seen"]
