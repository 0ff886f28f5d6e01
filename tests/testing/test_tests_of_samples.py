"""The samples have tests of their own, which users can copy. They run here as users run them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from npm_packages import NpmPackages
from v2_environment import v2_interpreter

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def copied(name: str, tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("node_modules", "__pycache__")
    return Path(shutil.copytree(SAMPLES / name, tmp_path / name, ignore=ignored))


def assert_pass(app: Path, **environ: str) -> None:
    plugins = ["-p", "no:cacheprovider", "-p", "no:schemathesis"]  # the second one takes a second to load
    command = [sys.executable, "-m", "pytest", "-q", *plugins, "--durable-chaos-seed", "1", "tests"]
    clean = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    done = subprocess.run(
        command, cwd=app, env={**clean, **environ}, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_those_of_the_purchases_pass(tmp_path: Path) -> None:
    assert_pass(copied("purchases", tmp_path), VIRTUAL_ENV=str(v2_interpreter().parents[1]))


def test_those_of_the_approvals_in_javascript_pass(tmp_path: Path, npm_packages: NpmPackages) -> None:
    assert_pass(npm_packages.link(copied("node-approvals", tmp_path)))
