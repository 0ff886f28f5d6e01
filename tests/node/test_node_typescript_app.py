"""The app `http-esm-ts`: compiled TypeScript as ES modules, beside `.mjs` and `.cjs` files."""

import pytest
from host_process import HostProcess
from node_apps import APPS


@pytest.fixture(scope="module")
def host(start_node_app) -> HostProcess:
    return start_node_app("http-esm-ts", build=True)


def test_function_behind_a_top_level_await_runs(host: HostProcess) -> None:
    assert host.get("/api/hello?name=Bob").json() == {"text": "Hello, Bob!", "url": True}
    host.wait_for("greeting Bob")


@pytest.mark.parametrize(("name", "require"), [("fromMjs", "undefined"), ("fromCjs", "function")])
def test_files_of_both_kinds_of_modules_are_loaded(host: HostProcess, name: str, require: str) -> None:
    assert host.get(f"/api/{name}").text == require


def test_stack_has_the_lines_of_the_typescript_source(host: HostProcess) -> None:
    source = (APPS / "http-esm-ts" / "src" / "shared" / "greeting.ts").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if "throw new RangeError" in text)
    assert host.get("/api/fails?name=Bob").status_code == 500
    host.wait_for(r"no greeting for Bob \(2\)$")
    host.wait_for(rf"src/shared/greeting\.ts:{line}:")
