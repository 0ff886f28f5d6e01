"""What the host imports before it knows the functions of the app."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from durable_host.config import load
from durable_host.host.early_imports import probable_imports
from durable_host.invocation.worker_options import WorkerOptions

DURABLE = "import azure.durable_functions as df\n"
ON_SQLITE = '{"version": "2.0", "extensions": {"durableTask": {"storageProvider": {"type": "sqlite"}}}}'
ON_AZURE = '{"version": "2.0"}'


def imports(
    app: Path,
    script: str | None,
    host: str = ON_AZURE,
    sdk: str = "1.7.0",
    packages: str = "lib/python3.13/site-packages",
) -> tuple[str, ...]:
    folder = app / "env" / packages
    (folder / "durabletask").mkdir(parents=True)
    (folder / f"azure_functions_durable-{sdk}.dist-info").mkdir()
    (app / "host.json").write_text(host, "utf-8")
    if script is not None:
        (app / "function_app.py").write_text(script, "utf-8")
    worker = WorkerOptions(root=app, executable=app / "env" / "bin" / "python", environment={})
    return probable_imports(load(app, environ={"FUNCTIONS_WORKER_RUNTIME": "python"}), worker)


@pytest.mark.parametrize("script", [None, "import azure.functions as func\n"])
def test_nothing_is_imported_for_an_app_without_the_durable_sdk(tmp_path: Path, script: str | None) -> None:
    assert imports(tmp_path, script) == ()


@pytest.mark.parametrize(("host", "adapter"), [(ON_AZURE, "azure"), (ON_SQLITE, "sqlite")])
def test_the_adapter_of_the_hub_is_imported_for_a_durable_app(tmp_path: Path, host: str, adapter: str) -> None:
    assert imports(tmp_path, DURABLE, host) == (f"durable_host.durable.taskhub.{adapter}",)


@pytest.mark.parametrize("packages", ["lib/python3.13/site-packages", "Lib/site-packages"])
def test_grpc_is_imported_too_where_the_2x_sdk_is_installed(tmp_path: Path, packages: str) -> None:
    modules = imports(tmp_path, DURABLE, sdk="2.0.0rc3", packages=packages)
    assert len(modules) == 2
    assert all(find_spec(module) is not None for module in modules)
