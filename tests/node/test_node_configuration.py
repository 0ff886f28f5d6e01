"""Settings, keys and start-up of a Node.js app, as Python apps have them."""

import json
from collections.abc import Callable, Iterator

import pytest
from host_process import HostProcess
from node_apps import node_settings, write_node_app
from npm_packages import NpmPackages

APP = {
    "src/functions/app.js": """
const { app } = require('@azure/functions');

let warm = 'cold';
app.warmup('warm', { handler: (_, context) => { warm = context.functionName; } });
app.get('setting', { handler: (request) => ({ body: process.env[request.query.get('name')] ?? 'missing' }) });
app.get('warmth', { handler: () => ({ body: warm }) });
app.http('locked', { methods: ['GET'], authLevel: 'function', handler: () => ({ body: 'open' }) });
app.get('off', { handler: () => ({ body: 'never' }) });
app.get('fromSetting', { route: '%ROUTE_NAME%', handler: () => ({ body: 'named by a setting' }) });
""",
    "local.settings.json": json.dumps(
        {
            "IsEncrypted": False,
            "Values": {
                "FUNCTIONS_WORKER_RUNTIME": "node",
                "MY_SETTING": "from the file",
                "AzureWebJobs.off.Disabled": "true",
                "ROUTE_NAME": "chosen",
            },
        }
    ),
}


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, connection_string: str, npm_packages: NpmPackages
) -> Iterator[HostProcess]:
    root = write_node_app(tmp_path_factory.mktemp("configuration") / "app", APP, npm_packages)
    host = HostProcess(root, node_settings(connection_string))
    yield host.start("--enable-auth")
    host.end()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MY_SETTING", "from the file"),
        ("FUNCTIONS_WORKER_RUNTIME", "node"),
        ("AZURE_FUNCTIONS_ENVIRONMENT", "Development"),
        ("NOT_SET", "missing"),
    ],
)
def test_settings_are_in_the_environment(host: HostProcess, name: str, value: str) -> None:
    assert host.get(f"/api/setting?name={name}").text == value


def test_host_name_is_set_for_the_durable_client(host: HostProcess) -> None:
    assert host.get("/api/setting?name=WEBSITE_HOSTNAME").text == f"localhost:{host.base_url.rpartition(':')[2]}"


def test_warm_up_function_has_run_at_the_start(host: HostProcess) -> None:
    assert host.get("/api/warmth").text == "warm"


def test_level_of_a_function_is_checked(host: HostProcess) -> None:
    assert host.get("/api/locked").status_code == 401


def test_disabled_function_is_not_served(host: HostProcess) -> None:
    assert host.get("/api/off").status_code == 404
    assert "off is disabled" in host.output


def test_settings_are_replaced_in_bindings(host: HostProcess) -> None:
    assert host.get("/api/chosen").text == "named by a setting"


def test_only_named_functions_are_loaded(start_node_host: Callable[..., HostProcess]) -> None:
    app = "const { app } = require('@azure/functions');\n" + "".join(
        f"app.get('{name}', {{ handler: () => ({{ body: '{name}' }}) }});\n" for name in ("one", "two")
    )
    host = start_node_host({"src/functions/app.js": app}, "--functions", "two")
    assert host.get("/api/two").text == "two"
    assert host.get("/api/one").status_code == 404
