"""The samples have tests of their own, which users can copy. They run here as users run them."""

import os
import shutil
from pathlib import Path

from npm_packages import NpmPackages
from other_pytest import run_pytest
from v2_environment import v2_interpreter

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def copied(name: str, tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    return Path(shutil.copytree(SAMPLES / name, tmp_path / name, ignore=ignored))


def output_of_tests(app: Path, **environ: str) -> str:
    """What pytest prints about the tests of an app, none of which fails."""
    clean = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    arguments = ("-q", "-rs", "--durable-chaos-seed", "1", "tests")
    done = run_pytest(*arguments, folder=app, environment={**clean, **environ})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_those_of_the_purchases_pass(tmp_path: Path) -> None:
    output_of_tests(copied("purchases", tmp_path), VIRTUAL_ENV=str(v2_interpreter().parents[1]))


def test_those_of_the_approvals_in_javascript_pass(tmp_path: Path, npm_packages: NpmPackages) -> None:
    output_of_tests(npm_packages.link(copied("node-approvals", tmp_path)))


def test_those_of_the_approvals_in_csharp_need_a_build(tmp_path: Path) -> None:
    output = output_of_tests(copied("dotnet-approvals", tmp_path))
    assert "passed" not in output
    assert "The app is not built: run 'dotnet build' in its folder." in output


def test_those_of_the_approvals_in_csharp_pass_with_the_same_app_in_javascript(
    tmp_path: Path, npm_packages: NpmPackages
) -> None:
    """The app in C# is not compiled here, but its tests ask for what both apps do."""
    app = npm_packages.link(copied("node-approvals", tmp_path))
    shutil.copytree(SAMPLES / "dotnet-approvals" / "tests", app / "tests", dirs_exist_ok=True)
    (app / "bin").mkdir()
    (app / "bin" / "worker.config.json").touch()
    assert "skipped" not in output_of_tests(app)
