"""What the host learns about an app, and the errors of invalid apps.

Source: docs/protocol/functions-host-app.md#decorator-model,
    docs/protocol/functions-host-app.md#loading-errors,
    docs/protocol/functions-host-app.md#parameters-and-annotations
"""

import sys
import venv
from pathlib import Path

import pytest
from worker_apps import HEADER, index_of, write_app

from durable_host.invocation.errors import AppImportFailed, SdkMissing
from durable_host.invocation.index import NOTHING_SERVED
from durable_host.invocation.interpreter import environment_python, install_command
from durable_host.invocation.metadata import IndexResult
from durable_host.worker import retry_policy

ROUTE = '@app.route("f")\n'
QUEUE = '@app.queue_trigger("m", queue_name="q", connection="")\n'


async def failure_of(root: Path, text: str) -> str:
    index = await index_of(root, {"function_app.py": text})
    assert index.functions == ()
    assert isinstance(index.failure, AppImportFailed)
    assert index.failure.exit_code == 6
    return index.failure.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1", "ValueError: Could not find top level function app instances in function_app.py."),
        (
            "import azure.functions as func\nbp = func.Blueprint()",
            "ValueError: Could not find top level function app instances in function_app.py.",
        ),
        (
            HEADER + "other = app",
            "ValueError: More than one FunctionApp or other top level function app instances are defined.",
        ),
        (
            "import missing_thing",
            "ModuleNotFoundError: No module named 'missing_thing'. Cannot find module. Please check",
        ),
        ("def f(:\n", "SyntaxError: invalid syntax (function_app.py, line 1)"),
        (
            HEADER + ROUTE + "def f(req): pass\n" + ROUTE + "def f(req): pass\n",
            "ValueError: Function f does not have a unique function name. Please change @app.function_name() or the "
            "function method name to be unique.",
        ),
        (
            HEADER + '@app.function_name("f")\ndef f(req): pass\n',
            "ValueError: Function f does not have a trigger. A valid function must have one and only one trigger "
            "registered.",
        ),
        (
            HEADER + QUEUE + ROUTE + "def f(m, req): pass\n",
            "ValueError: A trigger was already registered to this function.",
        ),
        (
            HEADER + "app.register_functions(func.FunctionApp())",
            "TypeError: functions can not be type of FunctionRegister!",
        ),
        (HEADER + '@app.route("f", methods=["FOO"])\ndef f(req): pass\n', "KeyError: \"Can not parse '['FOO']'"),
        (
            HEADER + '@app.route("f", auth_level="foo")\ndef f(req): pass\n',
            "KeyError: \"Can not parse str 'foo' to AuthLevel.",
        ),
        ("from .parts import bp", "are imported by their names: leave out the dot"),
        (HEADER + "import sys\nsys.exit(3)", "SystemExit: 3"),
        (HEADER + "1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
async def test_app_that_cannot_be_indexed(tmp_path: Path, text: str, expected: str):
    assert expected in await failure_of(tmp_path, text)


async def test_import_error_begins_with_the_place_in_the_users_file(tmp_path: Path):
    files = {"function_app.py": "import helper\n", "helper.py": "\n\nimport missing_thing\n"}
    index = await index_of(tmp_path, files)
    assert isinstance(index.failure, AppImportFailed)
    assert f"{tmp_path / 'helper.py'}:3: ModuleNotFoundError" in index.failure.message
    assert "frozen importlib" not in (index.failure.cause or "")
    assert "durable_host" not in (index.failure.cause or "")
    assert "missing_thing" in (index.failure.remedy or "")


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("azure.durable_functions", "azure-functions-durable"),
        ("azure.not_there", "the package that brings 'azure.not_there'"),
        ("not_there", "the package that brings 'not_there'"),
    ],
)
async def test_missing_module_is_not_taken_for_the_package_of_its_first_part(tmp_path: Path, module: str, package: str):
    hidden = f"import sys\nsys.modules[{module!r}] = None\nimport {module}\n"
    index = await index_of(tmp_path, {"function_app.py": HEADER + hidden})
    assert (getattr(index.failure, "remedy", None) or "").startswith(f"Add {package} to requirements.txt")


async def test_the_error_of_python_without_azure_functions_says_how_to_get_it(tmp_path: Path):
    bare = tmp_path / "bare" / "azure"
    bare.mkdir(parents=True)
    (bare / "__init__.py").touch()
    app = write_app(tmp_path / "app", "")
    index = await index_of(app, {"function_app.py": HEADER}, settings={"PYTHONPATH": str(bare.parent)})
    assert isinstance(index.failure, SdkMissing)
    assert f'"{sys.executable}" -m pip install -r requirements.txt. This is the Python of the host' in (
        index.failure.remedy or ""
    )


def test_environments_of_uv_are_installed_into_with_uv(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\nuv = 0.9.1\nversion_info = 3.12.1\n")
    python = tmp_path / "bin" / "python"
    assert install_command(python, "debugpy") == f'uv pip install --python "{python}" debugpy'


async def test_python_of_the_app_without_azure_functions_is_not_taken_for_the_hosts(tmp_path: Path):
    venv.create(tmp_path / "own")
    python = environment_python(tmp_path / "own")
    index = await index_of(tmp_path / "app", {"function_app.py": HEADER}, executable=python)
    assert isinstance(index.failure, SdkMissing)
    assert (index.failure.remedy or "").endswith(f'"{python}" -m pip install -r requirements.txt')


async def test_script_name_comes_from_the_setting(tmp_path: Path):
    index = await index_of(tmp_path, {"my_app.py": HEADER + ROUTE + "def f(req): pass\n"}, script="my_app.py")
    assert [function.name for function in index.functions] == ["f"]
    assert "Invalid file name: ../x.py" in str((await index_of(tmp_path, {}, script="../x.py")).failure)


async def test_folder_without_functions_has_none(tmp_path: Path):
    assert await index_of(tmp_path, {"readme.md": ""}) == IndexResult(
        python_version=(await index_of(tmp_path, {})).python_version,
        executable=(await index_of(tmp_path, {})).executable,
    )


async def test_module_of_the_app_root_is_the_app_even_if_another_has_its_name(tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "function_app.py").write_text("raise RuntimeError('wrong one')")
    app = tmp_path / "app"
    app.mkdir()
    index = await index_of(app, ROUTE + "def f(req): pass\n", settings={"PYTHONPATH": str(other)})
    assert [function.name for function in index.functions] == ["f"]


async def test_packages_of_a_deployed_app_are_found(tmp_path: Path):
    files = {
        "function_app.py": "import shipped\n" + HEADER + ROUTE + "def f(req): pass\n",
        ".python_packages/lib/site-packages/shipped.py": "",
    }
    assert (await index_of(tmp_path, files)).failure is None


async def test_bindings_names_and_places_are_reported(tmp_path: Path):
    files = {
        "function_app.py": """
            import azure.functions as func
            from parts.more import bp
            app = func.FunctionApp()
            app.register_functions(bp)

            @app.function_name("Named")
            @app.queue_trigger("m", queue_name="in-q", connection="AzureWebJobsStorage")
            @app.queue_output("$return", queue_name="out-q", connection="AzureWebJobsStorage")
            async def f(m: func.QueueMessage) -> str: return ""
            """,
        "parts/more.py": """
            import azure.functions as func
            bp = func.Blueprint()

            @bp.route("hello/{name:alpha}", methods=["GET", "post"], auth_level="ANONYMOUS")
            def hello(req: func.HttpRequest) -> func.HttpResponse: ...
            """,
    }
    index = await index_of(tmp_path, files)
    assert index.errors == ()
    functions = {function.name: function for function in index.functions}
    named, hello = functions["Named"], functions["hello"]
    assert named.is_async
    assert named.trigger.properties == {"queueName": "in-q", "connection": "AzureWebJobsStorage"}
    assert [(binding.name, binding.type) for binding in named.outputs] == [("$return", "queue")]
    assert hello.trigger.properties == {
        "methods": ["GET", "POST"],
        "authLevel": "ANONYMOUS",
        "route": "hello/{name:alpha}",
    }
    assert (hello.directory, named.directory) == (str(tmp_path / "parts"), str(tmp_path))
    assert (hello.source_file, hello.source_line) == (str(tmp_path / "parts" / "more.py"), 5)
    assert index.sdk_versions.keys() == {"azure-functions"}
    assert index.model == "v2"


async def test_durable_sdk_of_the_grpc_generation_is_noticed(tmp_path: Path):
    text = """
    @app.generic_trigger("context", type="orchestrationTrigger", durableRequiresGrpc=True)
    def o(context): ...
    """
    assert (await index_of(tmp_path, text)).requires_grpc


async def test_retry_policies_are_read(tmp_path: Path):
    text = """
    @app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:10")
    @app.route("a")
    def a(req): ...

    @app.retry(
        strategy="exponential_backoff", max_retry_count="-1", minimum_interval="00:00:01", maximum_interval="00:01:00"
    )
    @app.route("b")
    def b(req): ...

    @app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="5")
    @app.route("c")
    def c(req): ...
    """
    index = await index_of(tmp_path, text)
    a, b = (function.retry for function in sorted(index.functions, key=lambda function: function.name))
    assert a is not None
    assert b is not None
    assert (a.strategy, a.max_retry_count, a.delay_interval) == ("fixedDelay", 3, 10.0)
    assert (b.strategy, b.max_retry_count, b.minimum_interval, b.maximum_interval) == (
        "exponentialBackoff",
        -1,
        1.0,
        60.0,
    )
    [error] = index.errors
    assert error.function == "c"
    assert "time data '5' does not match format '%H:%M:%S'" in error.message


FIXED = 'strategy="fixed_delay", max_retry_count="3"'
BACKOFF = 'strategy="exponential_backoff", max_retry_count="3"'


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('strategy="fixedDelay", max_retry_count="3", delay_interval="00:00:01"', 'write strategy="fixed_delay"'),
        ('strategy="Fixed_Delay", max_retry_count="3", delay_interval="00:00:01"', 'write strategy="fixed_delay"'),
        ('strategy="exponentialBackoff", max_retry_count="3"', 'write strategy="exponential_backoff"'),
        ('strategy="linear", max_retry_count="3"', 'strategy="fixed_delay" or strategy="exponential_backoff"'),
        ('strategy=None, max_retry_count="3"', "strategy=None of @app.retry is not a strategy"),
        (FIXED, 'needs delay_interval: write delay_interval="00:00:10"'),
        (f'{FIXED}, delay_interval=""', "needs delay_interval"),
        (f'{FIXED}, delay_interval="10"', "delay_interval='10' of @app.retry"),
        (f'{FIXED}, delay_interval="24:00:00"', "below 24 hours"),
        (f"{FIXED}, delay_interval=10", "delay_interval=10 of @app.retry"),
        (f'{BACKOFF}, minimum_interval="x", maximum_interval="00:01:00"', "minimum_interval='x' of @app.retry"),
        ('strategy="fixed_delay", max_retry_count="x", delay_interval="00:00:01"', "max_retry_count='x' of @app.retry"),
        ('strategy="fixed_delay", max_retry_count=None, delay_interval="00:00:01"', "max_retry_count=None"),
        ('strategy="fixed_delay", max_retry_count="9999999999", delay_interval="00:00:01"', "is not a whole number"),
    ],
)
async def test_retry_settings_that_azures_worker_refuses_are_refused_with_the_right_spelling(
    tmp_path: Path, arguments: str, told: str
):
    index = await index_of(tmp_path, f"@app.retry({arguments})\n" + ROUTE + "def f(req): ...\n")
    assert index.functions == ()
    [error] = index.errors
    assert told in error.message
    assert NOTHING_SERVED in error.message


def test_only_the_older_worker_needs_both_bounds_of_a_backoff():
    settings = {"strategy": "exponential_backoff", "max_retry_count": "3", "maximum_interval": "00:00:05"}
    with pytest.raises(ValueError, match='needs minimum_interval: write minimum_interval="00:00:10"'):
        retry_policy.read(settings, python=(3, 12))
    policy = retry_policy.read(settings, python=(3, 13))
    assert policy is not None
    assert (policy["minimum_interval"], policy["maximum_interval"]) == (None, 5.0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ('strategy="fixed_delay", max_retry_count="-2", delay_interval="00:00:01"', "from -1 (forever), not -2"),
        (
            f'{BACKOFF}, minimum_interval="00:00:02", maximum_interval="00:00:01"',
            "'minimum_interval' of 'retry' must not be longer than 'maximum_interval'",
        ),
    ],
)
async def test_retry_settings_that_azures_host_refuses_put_one_function_in_error(
    tmp_path: Path, arguments: str, told: str
):
    index = await index_of(tmp_path, f"@app.retry({arguments})\n" + ROUTE + "def f(req): ...\n")
    [error] = index.errors
    assert told in error.message
    assert NOTHING_SERVED not in error.message


CANNOT = "cannot load the f function: "


@pytest.mark.parametrize(
    ("function", "detail"),
    [
        (
            "def f(m, zz): ...",
            "the following parameters are declared in Python but not in the function definition (function.json or "
            "function decorators): {'zz'}",
        ),
        (
            "def f(): ...",
            "Extra parameters in binding definition — the following parameters are declared as bindings but are not "
            "present in Python: {'m'}",
        ),
        ("def f(m: int): ...", "binding type \"queueTrigger\" of 'm' in the binding decorator does not match"),
        ("def f(m: func.Out[str]): ...", 'declared to have the "in" direction'),
        ("def f(m: 5): ...", "binding m has invalid non-type annotation 5"),
        ("def f(m: 'Missing'): ...", "annotations cannot be resolved"),
        ("def f(m, context: str): ...", 'the "context" parameter is expected to be of type azure.functions.Context'),
        (
            '@app.queue_output("o", queue_name="o", connection="")\n    def f(m, o: str): ...',
            'binding o is declared to have the "out" direction, but its annotation in Python is not a subclass of '
            "azure.functions.Out",
        ),
        (
            '@app.queue_output("o", queue_name="o", connection="")\n    def f(m, o: func.Out): ...',
            "binding o has invalid Out annotation",
        ),
        (
            '@app.queue_output("o", queue_name="o", connection="")\n    def f(m, o: func.Out[list[int]]): ...',
            "binding type \"queue\" of 'o'",
        ),
        (
            '@app.queue_output("$return", queue_name="o", connection="")\n    def f(m) -> dict: ...',
            'Python return annotation "dict" does not match binding type "queue"',
        ),
        (
            '@app.queue_output("$return", queue_name="o", connection="")\n    def f(m) -> func.Out[str]: ...',
            "return annotation should not be azure.functions.Out",
        ),
        (
            '@app.queue_output("$return", queue_name="o", connection="")\n    def f(m) -> str | bytes: ...',
            "has invalid non-type return annotation str | bytes",
        ),
        ("def f(m: str | bytes): ...", "binding m has invalid non-type annotation str | bytes"),
    ],
)
async def test_function_that_does_not_fit_its_bindings(tmp_path: Path, function: str, detail: str):
    text = f"""
    @app.queue_trigger("m", queue_name="q", connection="")
    {function}

    @app.route("sound")
    def sound(req): ...
    """
    index = await index_of(tmp_path, text)
    assert [function.name for function in index.functions] == ["sound"]
    [error] = index.errors
    assert error.function == "f"
    assert error.message.startswith(CANNOT)
    assert detail in error.message
    assert error.message.endswith(NOTHING_SERVED)


@pytest.mark.parametrize(
    "function",
    [
        "def f(m: func.QueueMessage | None) -> str | None: ...",
        "def f(m: 'func.QueueMessage', context: func.Context) -> str: ...",
        "def f(m, context): ...",
        "async def f(m: str) -> str: ...",
        "def f(m: Optional[func.QueueMessage] = None) -> Optional[str]: ...",
    ],
)
async def test_function_that_fits(tmp_path: Path, function: str):
    text = f"""
    from typing import Optional

    @app.queue_trigger("m", queue_name="q", connection="")
    @app.queue_output("$return", queue_name="o", connection="")
    {function}
    """
    index = await index_of(tmp_path, text)
    assert index.errors == ()
    assert len(index.functions) == 1


async def test_annotations_that_azures_worker_refuses_are_reported(tmp_path: Path):
    text = """
    from typing import Any, Dict, List, Optional

    def activity(name):
        return app.generic_trigger(name, type="activityTrigger")

    @activity("inp")
    def plain(inp: dict, context: func.Context) -> Optional[str]: ...

    @activity("inp")
    def anything(inp: Any): ...

    @activity("inp")
    def generic(inp: Dict[str, List[int]]): ...

    @activity("inp")
    def builtin(inp: list[str]): ...

    @activity("inp")
    def optional(inp: Optional[str]): ...

    @app.route("union")
    def union(req: func.HttpRequest | None) -> str | None: ...
    """
    functions = {function.name: function for function in (await index_of(tmp_path, text)).functions}
    assert {name: dict(one.refused_annotations) for name, one in functions.items() if one.refused_annotations} == {
        "builtin": {"inp": "list[str]"},
        "optional": {"inp": "typing.Optional[str]"},
        "union": {"req": "azure.functions._http.HttpRequest | None", "return": "str | None"},
    }
    assert len(functions) == 6


async def test_sdk_type_of_a_binding_extension_is_explained(tmp_path: Path):
    text = """
    from azure.storage.blob import BlobClient

    @app.blob_trigger("b", path="c/x", connection="")
    def f(b: BlobClient): ...
    """
    [error] = (await index_of(tmp_path, text)).errors
    assert "binding extension that this host does not serve" in error.message


@pytest.mark.parametrize("kind", ["orchestration_trigger", "entity_trigger"])
async def test_another_name_than_context_is_reported_with_the_argument_and_its_value(tmp_path: Path, kind: str):
    text = f"""
    @app.{kind}(context_name="ctx")
    def o(ctx): ...

    @app.{kind}(context_name="context")
    def sound(ctx): ...
    """
    index = await index_of(tmp_path, text)
    assert [function.name for function in index.functions] == ["sound"]
    [error] = index.errors
    assert f'context_name="ctx" of @{kind}' in error.message
    assert f"({tmp_path / 'function_app.py'}:" in error.message
    assert 'write context_name="context"' in error.message
    assert 'the "context" parameter is expected to be of type azure.functions.Context' in error.message
    assert error.message.endswith(NOTHING_SERVED)
