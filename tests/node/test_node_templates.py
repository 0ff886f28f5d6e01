"""Every template of `func new` for Node.js gives code that compiles and that a real worker loads."""

import os
from pathlib import Path

import pytest
from node_apps import compile_typescript
from npm_packages import NpmPackages

from durable_host.cli import main
from durable_host.cli.scaffold.languages import Language
from durable_host.cli.scaffold.template_catalog import TEMPLATES
from durable_host.invocation.metadata import IndexResult
from durable_host.invocation.node_worker import NODE_WORKER
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.worker_options import WorkerOptions

LANGUAGES: tuple[Language, ...] = ("javascript", "typescript")


@pytest.fixture(params=LANGUAGES)
def app(
    request: pytest.FixtureRequest, tmp_path: Path, npm_packages: NpmPackages, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An app with a function of each template, built if it is in TypeScript."""
    monkeypatch.delenv("FUNCTIONS_WORKER_RUNTIME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--worker-runtime", request.param, "--skip-npm-install"]) == 0
    for template in TEMPLATES:
        assert main(["new", "-t", template.name_in("V4") or "", "-n", template.default_name]) == 0
    npm_packages.link(tmp_path)
    if request.param == "typescript":
        compile_typescript(tmp_path)
    return tmp_path


async def loaded(root: Path) -> IndexResult:
    interpreter = NODE_WORKER.find(root, explicit=None, environ=os.environ)
    options = WorkerOptions(root=root, executable=interpreter.path, environment=dict(os.environ), kind=NODE_WORKER)
    pool = WorkerPool(options)
    try:
        return await pool.start()
    finally:
        await pool.stop(0)


async def test_app_with_all_templates_loads(app: Path):
    index = await loaded(app)
    assert index.failure is None
    assert index.errors == ()
    by_name = {function.name: function for function in index.functions}
    assert {template.default_name for template in TEMPLATES} <= by_name.keys()
    assert by_name["ApprovalDecide"].trigger.type == "queueTrigger"
    assert by_name["FanOutStart"].trigger.properties["route"] == "FanOut"
    assert by_name["TotalTotal"].trigger.properties["route"] == "Total/{key}"
    assert "route" not in by_name["HttpTrigger"].trigger.properties
