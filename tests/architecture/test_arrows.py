"""`lint-imports`, in `make check`, checks the import contracts; these tests check that they cover the whole package."""

import ast
import sys
from collections.abc import Iterator
from typing import Any

import tomllib
from source_tree import ROOT, Module, modules

_CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT.parent / "pyproject.toml").read_text("utf-8"))["tool"][
    "importlinter"
]["contracts"]
_LAYERS = [
    [part.strip().removeprefix("durable_host.") for part in layer.split("|")]
    for layer in next(one for one in _CONTRACTS if one["type"] == "layers")["layers"]
]


def test_each_part_of_the_package_is_in_a_layer() -> None:
    parts = {one.stem for one in ROOT.glob("*.py")} | {one.parent.name for one in ROOT.glob("*/__init__.py")}
    assert parts - {"__init__", "__main__"} == {part for layer in _LAYERS for part in layer}


def test_the_architecture_page_draws_the_folders_in_the_order_of_the_layers() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    drawn = [line.split()[1].rstrip("/") for line in page.splitlines() if line.startswith(("├── ", "└── "))]
    folders = [name for name in drawn if (ROOT / name).is_dir()]
    assert folders == [part for layer in _LAYERS for part in layer if (ROOT / part).is_dir()]


def test_the_worker_imports_only_the_standard_library() -> None:
    foreign = {
        f"{module.name}: {name}"
        for module in modules()
        if module.name.startswith("durable_host.worker")
        for name in _absolute_imports(module)
        if name.partition(".")[0] not in sys.stdlib_module_names
    }
    assert foreign == set()


def _absolute_imports(module: Module) -> Iterator[str]:
    for node in module.statements:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""
