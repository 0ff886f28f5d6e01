"""The packages of the apps under test are there, in the versions that the lock files name."""

from pathlib import Path

import pytest
from npm_packages import NpmPackages


@pytest.mark.parametrize(
    ("name", "functions", "durable"),
    [("newest", "4.16.5", "3.5.0"), ("middle", "4.5.0", "3.1.0"), ("oldest", "4.0.0", "3.0.0")],
)
def test_a_set_has_the_two_packages_in_its_versions(
    npm_packages: NpmPackages, name: str, functions: str, durable: str
) -> None:
    assert npm_packages.version("@azure/functions", name) == functions
    assert npm_packages.version("durable-functions", name) == durable


def test_an_app_gets_the_packages_by_a_link(npm_packages: NpmPackages, tmp_path: Path) -> None:
    app = npm_packages.link(tmp_path / "app")
    assert (app / "node_modules" / "@azure" / "functions" / "package.json").is_file()
    assert (app / "node_modules").resolve() == npm_packages.modules().resolve()
