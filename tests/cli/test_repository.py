"""The repository's own files."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform == "win32", reason="git reads the rules the same everywhere")
def test_deployment_ships_only_the_app(tmp_path: Path):
    shipped = ["host.json", "function_app.py", "requirements.txt", "functions/approvals.py"]
    kept = ["local.settings.json", "pyproject.toml", "Makefile", "README.md", ".azurite/db.json", "tests/app/test_x.py"]
    kept += ["durable_host/host.py", ".venv/bin/python", "functions/__pycache__/approvals.cpython-311.pyc", ".ci/run"]
    for name in shipped + kept:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", f"--exclude-from={ROOT / '.funcignore'}"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert sorted(listed) == sorted(shipped)


def test_starting_imports_nothing_heavy_before_the_configuration_is_read():
    heavy = ("azure", "docker", "rich", "grpc", "aiohttp", "opentelemetry", "watchfiles")
    modules = "durable_host.cli.start, durable_host.cli.console, durable_host.cli.presenter, durable_host.config"
    code = f"import sys, {modules}; print([name for name in {heavy!r} if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


@pytest.mark.parametrize("runtime", ["python", "node"])
def test_a_host_of_another_language_imports_nothing_for_dotnet(runtime: str):
    """Neither its worker, nor protobuf, which costs time and memory."""
    code = f"""
import sys
import durable_host.host.composition, durable_host.host.process_lifetime, durable_host.host.reload
from durable_host.host.worker_kinds import worker_kind_of
worker_kind_of({runtime!r})
heavy = ("durable_host.function_rpc", "durable_host.grpc_port", "google.protobuf", "hpack")
print([name for name in heavy if name in sys.modules])
"""
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


def test_a_command_for_clients_imports_neither_the_server_nor_the_runtime():
    code = """
import sys
from durable_host.cli import main
assert main(["durable", "get-instances", "--help"]) == 0
heavy = ("aiohttp.web", "durable_host.durable.runtime.runtime", "durable_host.durable.taskhub.azure", "grpc")
print([name for name in heavy if name in sys.modules])
"""
    output = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"
