"""The package for the architecture tests: its modules and their syntax trees."""

import ast
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import durable_host

ROOT = Path(durable_host.__file__).parent
_NOT_MODULES = {"templates"}
"""Folders with files that `func new` writes into apps."""


@dataclass(frozen=True)
class Module:
    """`name` is dotted; that of a package for its `__init__.py`."""

    name: str
    path: Path

    @property
    def tree(self) -> ast.Module:
        return _trees()[self.path]

    @cached_property
    def statements(self) -> tuple[ast.AST, ...]:
        """All of the tree. Expressions, which are nine tenths of its nodes, are left out."""
        found: list[ast.AST] = [self.tree]
        for node in found:
            for blocks in ("body", "handlers", "orelse", "finalbody", "cases"):
                found += getattr(node, blocks, ())
        return tuple(found)

    @property
    def stem(self) -> str:
        return self.path.stem


@cache
def modules() -> tuple[Module, ...]:
    return tuple(_modules())


@cache
def _trees() -> dict[Path, ast.Module]:
    """The trees: millions of objects that stay in memory, so they are excluded from garbage collection."""
    gc.collect()
    gc.disable()
    try:
        return {module.path: ast.parse(module.path.read_text("utf-8")) for module in modules()}
    finally:
        gc.freeze()
        gc.enable()


def _modules() -> Iterator[Module]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if not _NOT_MODULES.intersection(parts):
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield Module(name, path)
