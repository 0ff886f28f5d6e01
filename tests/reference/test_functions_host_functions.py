"""Functions of function.json that do not load, or say that they are disabled: rows 3 and 4 of the page functions-host.

Source: docs/protocol/functions-host-app.md#function-folders, docs/protocol/functions-host-app.md#disabled-functions
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from host_process import HostProcess, until, write_app

pytestmark = pytest.mark.process

HTTP = [
    {"name": "req", "type": "httpTrigger", "direction": "in", "authLevel": "anonymous"},
    {"name": "$return", "type": "http", "direction": "out"},
]
BROKEN = {
    "import": "import not_there\ndef main(req): return 'ran'\n",
    "syntax": "def main(req) return 'ran'\n",
    "signature": "def main(other): return 'ran'\n",
    "nomain": "def other(req): return 'ran'\n",
}
REASONS = {
    "import": "ModuleNotFoundError: No module named 'not_there'",
    "syntax": "SyntaxError",
    "signature": "cannot load the signature function",
    "nomain": "main() is not present",
}
DISABLED = {"flag": True, "setting": "SWITCH", "percent": "%SWITCH%", "text": "true"}


def files() -> Iterator[tuple[str, str]]:
    def function(name: str, code: str, **members: Any) -> Iterator[tuple[str, str]]:
        yield f"{name}/function.json", json.dumps({"bindings": HTTP, **members})
        yield f"{name}/__init__.py", code

    for name, code in BROKEN.items():
        yield from function(name, code)
    for name, value in DISABLED.items():
        yield from function(name, "def main(req): return 'ran'\n", disabled=value)
    yield from function("enabled", "def main(req): return 'ran'\n", disabled=False)
    yield from function("off", "def main(req): return 'ran'\n")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    settings = {"SWITCH": "1", "AzureWebJobs.off.Disabled": "true"}
    host = HostProcess(write_app(tmp_path_factory.mktemp("v1"), dict(files())), settings)
    yield host.start()
    host.end()


@pytest.mark.parametrize("name", BROKEN)
def test_a_function_that_does_not_load_answers_500_each_time(host: HostProcess, name: str) -> None:
    """functions-host 3: each request gets the error of the load, which the log has each time, too."""
    for _ in range(2):
        response = host.get(f"/api/{name}")
        assert response.status_code == 500
        assert REASONS[name] in response.json()["error"]
    until(lambda: sum(f"GET /api/{name}: " in line for line in host.lines) == 2, host=host)


@pytest.mark.parametrize("name", BROKEN)
def test_a_function_that_does_not_load_is_listed_with_its_url(host: HostProcess, name: str) -> None:
    """functions-host 3: the listing of the start and the admin API have its URL; the start shows the error, too."""
    listed = host.get(f"/admin/functions/{name}").json()
    assert listed["invoke_url_template"] == f"{host.base_url}/api/{name}"
    assert not listed["isDisabled"]
    assert any(f"{name}:  {host.base_url}/api/{name} (does not load: " in line for line in host.lines)
    assert any(f"The '{name}' function is in error: " in line and REASONS[name] in line for line in host.lines)


@pytest.mark.parametrize("name", DISABLED)
def test_disabled_in_function_json_is_ignored(host: HostProcess, name: str) -> None:
    """functions-host 4: the function runs and is not shown as disabled; the log names the setting that works."""
    assert host.get(f"/api/{name}").text == "ran"
    assert host.get(f"/admin/functions/{name}").json()["isDisabled"] is False
    line = host.wait_for(f"DH5050: The function '{name}' runs")
    assert f"AzureWebJobs.{name}.Disabled=true" in line


def test_the_app_setting_disables_a_function(host: HostProcess) -> None:
    """functions-host 4: only AzureWebJobs.<function>.Disabled counts; local callers are admins, so it answers them."""
    assert host.get("/admin/functions/off").json()["isDisabled"] is True
    assert host.get("/api/off").text == "ran"
    assert "DH5050: The function 'off'" not in host.output
    assert "DH5050: The function 'enabled'" not in host.output
