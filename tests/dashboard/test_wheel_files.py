"""The files of the page are in the wheel."""

from pathlib import Path

import tomllib

import durable_host.dashboard

ROOT = Path(__file__).parents[2]
PACKAGE = Path(durable_host.dashboard.__file__).parent


def test_each_file_of_the_page_is_package_data() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = setuptools["package-data"]["durable_host.dashboard"]
    packed = {path for pattern in patterns for path in PACKAGE.glob(pattern) if path.is_file()}
    there = {path for path in (PACKAGE / "static").rglob("*") if path.is_file()}
    assert there
    assert there <= packed
