"""How Node.js apps are loaded: entry points, what they register, and errors with a way out."""

import json
from pathlib import Path
from typing import Any

import pytest
from node_pools import HEADER, node_index, node_options, running_node
from npm_packages import NpmPackages

from durable_host.config.retry import RetryOptions
from durable_host.errors import HostError
from durable_host.invocation.pool import WorkerPool

HELLO = "app.http('hello', { handler: async () => ({ body: 'hello' }) });\n"
ESM_HELLO = "import { app } from '@azure/functions';\n" + HELLO


async def failure_of(
    root: Path, files: dict[str, str], packages: NpmPackages, package: dict[str, Any] | None = None
) -> HostError:
    index = await node_index(root, files, packages, package=package)
    assert isinstance(index.failure, HostError)
    return index.failure


@pytest.mark.parametrize(
    ("files", "package"),
    [
        ({"src/functions/a.js": HEADER + HELLO}, {}),
        ({"src/functions/a.js": ESM_HELLO}, {"type": "module"}),
        ({"src/functions/a.mjs": ESM_HELLO}, {"main": "src/functions/*.mjs"}),
        ({"src/functions/a.cjs": HEADER + HELLO}, {"type": "module", "main": "src/functions/*.cjs"}),
        ({"a.mjs": "await new Promise((done) => setTimeout(done, 1));\n" + ESM_HELLO}, {"main": "a.mjs"}),
        ({"a.js": "setTimeout(() => {}, 1);\n" + HEADER + HELLO}, {"main": "./a.js"}),
        ({"dist/x/a.js": HEADER + HELLO}, {"main": "dist"}),
        ({"dist/x/a.js": HEADER + HELLO, "dist/i.js": ""}, {"main": "dist/{i.js,x/*.js}"}),
        (
            {"a.js": HEADER.replace("require", "require('module').createRequire(__filename)") + HELLO},
            {"main": "a.js"},
        ),
    ],
    ids=["cjs", "esm", "mjs", "cjs-in-esm", "await", "plain", "folder", "braces", "create-require"],
)  # fmt: skip
async def test_entry_points_of_all_kinds_register_functions(
    tmp_path: Path, npm_packages: NpmPackages, files: dict[str, str], package: dict[str, Any]
) -> None:
    async with running_node(tmp_path, files, npm_packages, package=package) as app:
        assert [function.name for function in app.index.functions] == ["hello"]
        assert (await app.get("hello")).body == b"hello"


@pytest.mark.parametrize("kind", ["oldest", "middle", "newest"])
async def test_all_generations_of_the_library_run(tmp_path: Path, npm_packages: NpmPackages, kind: str) -> None:
    async with running_node(tmp_path, HELLO, npm_packages, kind=kind) as app:
        assert (await app.get("hello", path="/api/hello?q=")).body == b"hello"
        assert app.index.sdk_versions == {"@azure/functions": npm_packages.version("@azure/functions", kind)}
        assert (app.index.model, app.index.python_version) == ("v4", "")
        assert app.index.node_version


async def test_functions_are_reported_with_bindings_retry_and_place(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = """
    app.storageQueue('onQueue', {
      queueName: 'in-q', connection: 'AzureWebJobsStorage',
      retry: { strategy: 'exponentialBackoff', maxRetryCount: 4, minimumInterval: 1500,
               maximumInterval: { minutes: 2 } },
      extraInputs: [input.storageBlob({ path: 'c/b', connection: '' })],
      return: output.storageQueue({ queueName: 'out-q', connection: '' }),
      handler: (item) => item,
    });"""
    index = await node_index(tmp_path, code, npm_packages)
    (function,) = index.functions
    assert function.retry == RetryOptions("exponentialBackoff", 4, minimum_interval=2, maximum_interval=120)
    assert [(binding.type, binding.direction) for binding in function.bindings] == [
        ("queueTrigger", "in"),
        ("blob", "in"),
        ("queue", "out"),
    ]
    assert function.inputs[0].data_type == "binary"
    assert not any(binding.is_deferred for binding in function.bindings)
    assert (function.script_file, function.directory) == ("functions.js", str(tmp_path / "src" / "functions"))
    assert (function.source_file, function.source_line) == (str(tmp_path / "src" / "functions" / "functions.js"), 3)


LOAD_ERRORS: dict[str, tuple[dict[str, str], dict[str, Any], str, str, str]] = {
    "no match": ({}, {"main": "dist/*.js"}, "DH4002", "Found zero files matching the supplied pattern", "run build"),
    "no file": ({}, {"main": "dist/a.js"}, "DH4002", '"dist/a.js": File does not exist', "npm run build"),
    "npm's default": ({}, {"main": "index.js"}, "DH4002", "Learn more here: https://aka.ms/AAla7et", "'main'"),
    "throws": (
        {"src/functions/a.js": "\nthrow new TypeError('bad');"},
        {},
        "DH4002",
        '{root}/src/functions/a.js:2: Worker was unable to load entry point "src/functions/a.js": bad',
        "Fix the code",
    ),
    "syntax": ({"src/functions/a.js": "\n\nconst = 1;"}, {}, "DH4002", "{root}/src/functions/a.js:3: ", "the syntax"),
    "syntax in a module": (
        {"src/functions/a.js": "\n\nconst = 1;"}, {"type": "module"}, "DH4002", "{root}/src/functions/a.js:3: ",
        "the syntax",
    ),
    "missing package": (
        {"src/functions/a.js": "require('left-pad-x/y');"}, {}, "DH4002", "Cannot find module 'left-pad-x/y'",
        "npm install left-pad-x",
    ),
    "missing package in a module": (
        {"src/functions/a.js": "import '@scope/left-pad-x';"}, {"type": "module"}, "DH4002",
        "Cannot find package '@scope/left-pad-x'", "npm install @scope/left-pad-x",
    ),
    "no extension": (
        {"src/functions/a.js": "import '../b';", "src/b.js": ""}, {"type": "module"}, "DH4002", "Cannot find module",
        "the file's extension",
    ),
    "import in a script": (
        {"a.cjs": "import { app } from '@azure/functions';"}, {"main": "a.cjs"}, "DH4002",
        "Cannot use import statement outside a module", '"type": "module"',
    ),
    "require in a module": (
        {"src/functions/a.js": HEADER}, {"type": "module"}, "DH4002", "require is not defined in ES module scope",
        '"type": "module"',
    ),
    "typescript without a build": (
        {"a.ts": "enum A { B }"}, {"main": "a.ts"}, "DH4002", "a.ts:1: ", "npm run build",
    ),
    "typescript in a module": (
        {"a.ts": "enum A { B }"}, {"main": "a.ts", "type": "module"}, "DH4002", "a.ts", "npm run build",
    ),
    "registered twice": (
        {"src/functions/a.js": HEADER + HELLO + HELLO}, {}, "DH4002",
        '{root}/src/functions/a.js:3: Worker was unable to load entry point "src/functions/a.js": A function with id '
        '"hello" has already been registered.', "its own name",
    ),
    "start hook": (
        {"src/functions/a.js": HEADER + "app.hook.appStart(() => { throw new Error('no start'); });"}, {}, "DH4002",
        "{root}/src/functions/a.js:2: no start", "Fix the code",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOAD_ERRORS)
async def test_an_app_that_does_not_load_says_where_and_what_to_do(
    tmp_path: Path, npm_packages: NpmPackages, case: str
) -> None:
    files, package, code, message, remedy = LOAD_ERRORS[case]
    error = await failure_of(tmp_path, files, npm_packages, package)
    assert error.code == code
    assert message.replace("{root}", str(tmp_path)) in error.message
    assert remedy in (error.remedy or "")
    assert "worker_node" not in f"{error.message}{error.cause}"


async def test_a_missing_library_is_an_error_of_its_own(tmp_path: Path, npm_packages: NpmPackages) -> None:
    packages = NpmPackages()
    packages.link = lambda app, name="newest": app  # type: ignore[method-assign]
    error = await failure_of(tmp_path, {"src/functions/a.js": HEADER}, packages)
    assert error.code == "DH4003"
    assert "npm install" in (error.remedy or "")


@pytest.mark.parametrize(
    ("files", "package", "hint"),
    [
        ({}, {"main": None}, "'main'"),
        ({"src/functions/a.js": HEADER}, {}, "'main' in package.json matches 1 file, but none registers"),
    ],
)
async def test_an_app_without_functions_says_why(
    tmp_path: Path, npm_packages: NpmPackages, files: dict[str, str], package: dict[str, Any], hint: str
) -> None:
    index = await node_index(tmp_path, files, npm_packages, package=package)
    assert (index.failure, index.functions) == (None, ())
    assert hint in (index.hint or "")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (None, "file does not exist"),
        ("{", "file content is not valid JSON: {path}: "),
        ("[]", "file content is not an object"),
    ],
)
async def test_a_package_json_that_cannot_be_used_is_warned_about(
    tmp_path: Path, npm_packages: NpmPackages, text: str | None, warning: str
) -> None:
    write = tmp_path / "package.json"
    if text is not None:
        write.write_text(text)
    pool = WorkerPool(node_options(tmp_path))
    index = await pool.start()
    await pool.stop(1)
    assert index.failure is None
    assert any(
        one.startswith(f"Worker failed to load package.json: {warning.replace('{path}', str(write))}")
        for one in index.warnings
    )


@pytest.mark.differs("node-old-model")
async def test_functions_of_the_old_model_are_listed_as_not_served(tmp_path: Path, npm_packages: NpmPackages) -> None:
    document = '{"bindings": [{"type": "httpTrigger", "name": "req", "direction": "in"}], "scriptFile": "index.js"}'
    index = await node_index(tmp_path, {"Old/function.json": document, "src/functions/a.js": ""}, npm_packages)
    (problem,) = index.errors
    assert (index.model, problem.function) == ("v3", "Old")
    assert "model v3" in problem.message
    assert "v4" in problem.message


async def test_a_function_cannot_be_registered_after_the_start(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = """
    app.http('late', { handler: async () => {
      try { app.http('x', { handler: () => ({}) }); } catch (error) { return { body: error.message }; }
    } });"""
    async with running_node(tmp_path, code, npm_packages) as app:
        assert (await app.get("late")).body == b"A function can only be registered during app startup."


@pytest.mark.parametrize(
    ("name", "version", "code"),
    [
        ("@azure/functions", "3.5.1", "const { app } = require('@azure/functions');\napp.http('f', {});"),
        ("durable-functions", "2.1.3", "require('durable-functions').app.orchestration('f', function* () {});"),
    ],
)
async def test_a_package_that_is_too_old_is_named(
    tmp_path: Path, npm_packages: NpmPackages, name: str, version: str, code: str
) -> None:
    modules = tmp_path / "packages"
    (modules / name).mkdir(parents=True)
    (modules / name / "package.json").write_text(json.dumps({"name": name, "version": version}))
    (modules / name / "index.js").write_text("module.exports = {};")
    packages = NpmPackages()
    packages.link = lambda app, kind="newest": _linked(app, modules)  # type: ignore[method-assign]
    error = await failure_of(tmp_path, {"src/functions/a.js": code}, packages)
    assert error.code == "DH4003"
    assert f"{name} {version}, which is too old" in error.message
    assert f"npm install {name}@" in (error.remedy or "")


def _linked(app: Path, modules: Path) -> Path:
    (app / "node_modules").symlink_to(modules, target_is_directory=True)
    return app
