"""Apps that do not load: `func start` ends with code, cause and remedy, and shows no code of the host."""

import pytest
from host_process import HostProcess

from durable_host.errors import EXIT_APP

HELLO = "const { app } = require('@azure/functions');\napp.http('hello', { handler: () => ({}) });\n"
FILE = "src/functions/app.js"


@pytest.mark.parametrize(
    ("files", "package", "told"),
    [
        ({FILE: "const a = ;\n"}, {}, ["DH4002", "src/functions/app.js:1", "Unexpected token ';'"]),
        ({FILE: "throw new TypeError('at import');\n"}, {}, ["DH4002", "src/functions/app.js:1", "at import"]),
        ({FILE: "require('left-out/part');\n"}, {}, ["Cannot find module 'left-out/part'", "npm install left-out"]),
        ({FILE: HELLO}, {"type": "module"}, ["require is not defined in ES module scope", '"type"']),
        ({FILE: HELLO}, {"main": "dist/**/*.js"}, ["Found zero files matching the supplied pattern", "npm run build"]),
        ({FILE: HELLO}, {"main": "index.js"}, ["File does not exist", "https://aka.ms/AAla7et"]),
        (
            {FILE: HELLO + "app.get('hello', { handler: () => ({}) });\n"},
            {},
            ['A function with id "hello" has already been registered.'],
        ),
        (
            {FILE: "require('@azure/functions').app.hook.appStart(() => { throw new Error('no start'); });\n" + HELLO},
            {},
            ["no start"],
        ),
    ],
    ids=["syntax", "throws", "package", "require in esm", "glob", "file", "twice", "start hook"],
)
def test_app_that_does_not_load_says_why(
    start_node_host, files: dict[str, str], package: dict[str, str], told: list[str]
) -> None:
    host: HostProcess = start_node_host(files, package=package, wait=False)
    assert host.wait_exit() == EXIT_APP
    for text in told:
        assert text in host.output, host.output
    assert "durable_host/" not in host.output
    assert "Traceback" not in host.output


def test_node_that_is_too_old_is_refused(start_node_host, tmp_path) -> None:
    program = tmp_path / "node"
    program.write_text("#!/bin/sh\necho 'Node.js v14.0.0 is too old' >&2\nexit 78\n")
    program.chmod(0o755)
    host: HostProcess = start_node_host({FILE: HELLO}, "--node", str(program), wait=False)
    assert host.wait_exit() != 0
    assert "is too old to run the app" in host.output
    assert "Install Node.js 20 or later" in host.output


def test_node_that_is_missing_is_an_error(start_node_host) -> None:
    host: HostProcess = start_node_host({FILE: HELLO}, "--node", "/nowhere/node", wait=False)
    assert host.wait_exit() != 0
    assert "/nowhere/node" in host.output
    assert "remedy" in host.output


def test_app_without_functions_starts_and_says_why(start_node_host) -> None:
    host: HostProcess = start_node_host({FILE: "console.log('nothing here');\n"})
    host.wait_for("DH4006: No functions were found in .*none registers a function")
