"""Parameters and members that docstrings name must exist."""

import ast
import builtins
import keyword
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from source_tree import Module, modules

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_QUOTED = re.compile(r"`(_?[a-z][a-z0-9_]*)(?:\([^`]*\))?`")
_VALUES = {
    "azurite", "binary", "bp", "cancel", "create_timer", "disabled", "failed", "function_name", "grpc", "handle",
    "hello", "http", "indexed", "initialize", "is_replaying", "log", "name__child", "null", "op", "regex", "release",
    "stream", "string", "take", "task_all", "task_any", "traceparent", "tracestate",
}  # fmt: skip
"""Names and values outside the package: of apps, of the SDK, in JSON, on the pipe to the worker."""


class Docstring(NamedTuple):
    module: Module
    node: _Definition
    parents: tuple[ast.AST, ...]
    text: str

    @property
    def place(self) -> str:
        return f"{self.module.name}:{self.node.lineno} {self.node.name}"


def docstrings() -> Iterator[Docstring]:
    for module in modules():
        yield from _docstrings(module, module.tree, ())


def _docstrings(module: Module, node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[Docstring]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Definition):
            if text := ast.get_docstring(child):
                yield Docstring(module, child, parents, text)
            yield from _docstrings(module, child, (child, *parents))


@cache
def classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for one in modules() for node in one.statements if isinstance(node, ast.ClassDef)}


@cache
def names_within(node: ast.AST) -> frozenset[str]:
    """Every name that the code below `node` uses: parameters, variables, attributes, members, keys."""
    names: set[str] = set()
    for one in ast.walk(node):
        match one:
            case ast.arg(arg=name) | ast.Attribute(attr=name) | ast.Name(id=name) | ast.keyword(arg=str(name)):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Constant(value=str(name)) if name.isidentifier():
                names.add(name)
            case _:
                pass
    return frozenset(names)


@cache
def names_of_module(module: Module) -> frozenset[str]:
    """What is defined in a module, members of its classes included, or imported at its top."""
    names = {node.name for node in module.statements if isinstance(node, _Definition)}
    for node in module.tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update((alias.asname or alias.name).rpartition(".")[2] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= names_within(node)
    return frozenset(names)


def known(docstring: Docstring) -> frozenset[str]:
    """What a docstring may name: what its definition and the classes around it have, with their base classes."""
    names = names_within(docstring.node) | names_of_module(docstring.module)
    pending = [one for one in (docstring.node, *docstring.parents) if isinstance(one, ast.ClassDef)]
    seen: set[str] = set()
    while pending:
        found = pending.pop()
        names |= names_within(found)
        seen.add(found.name)
        bases = {name for base in found.bases for name in names_within(base)} - seen
        pending += [classes()[name] for name in bases if name in classes()]
    return names


@cache
def names_everywhere() -> frozenset[str]:
    """Modules and their functions, words of Python, and values."""
    functions = {node.name for one in modules() for node in one.tree.body if isinstance(node, _Definition)}
    folders = {part for one in modules() for part in one.name.split(".")}
    return frozenset({*functions, *folders, *keyword.kwlist, *dir(builtins), *dir(object), *_VALUES})


def test_docstrings_name_parameters_and_members_that_exist() -> None:
    unknown = [
        f"{one.place}: {name}"
        for one in docstrings()
        for name in _QUOTED.findall(one.text)
        if name not in known(one) | names_everywhere()
    ]
    assert unknown == []
