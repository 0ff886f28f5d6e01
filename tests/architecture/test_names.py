"""One name, one meaning: the name of a class, module or function identifies it.

CONTRIBUTING.md has the rules, under "Name a module or a function".
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from source_tree import Module, modules

_NOT_NAMES = {"__init__", "__main__"}


class Shared(NamedTuple):
    """Packages (below `durable_host`) whose modules may have the same name, and why."""

    packages: set[str]
    reason: str


_TRIGGERS = {f"triggers.{name}" for name in ("blob", "event_grid", "http", "mcp", "queue", "timer")}
_HUBS = {"durable.taskhub.azure", "durable.taskhub.sqlite"}

SHARED_MODULES = {
    "errors": Shared(
        {"", "cli.durable", "durable.api", "invocation", "storage", "storage.azurite"}, "the errors of a package"
    ),
    "options": Shared({"cli.durable", "durable.engine", "durable.taskhub.azure"}, "the options of a package"),
    "listener": Shared(_TRIGGERS, "what waits for the events of a trigger"),
    "trigger": Shared(_TRIGGERS, "the functions of a trigger"),
    "webhook": Shared(_TRIGGERS, "the address at which events for a trigger arrive over HTTP"),
    "foreign": Shared(_HUBS, "another app's hub, in one kind of storage"),
    "hub": Shared(_HUBS, "the port `TaskHub`, in one kind of storage"),
    "rewind": Shared(_HUBS | {"cli.durable"}, "rewind, in one kind of storage, and the command for it"),
    "messages": Shared(
        {"durable.model", "durable.taskhub.sqlite"}, "task messages, and the table of the embedded hub that holds them"
    ),
    "frames": Shared({"invocation", "worker"}, "the frames between host and worker, at both ends"),
    "completion": Shared({"cli", "durable.engine"}, "a command's module has the command's name"),
    "settings": Shared({"cli", "config"}, "a command's module has the command's name"),
}


def test_no_class_name_occurs_twice() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules():
        for node in module.statements:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{module.name}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_module_name_occurs_twice_only_where_it_is_the_same_part_of_two_packages() -> None:
    packages = _packages_of_module_names()
    wrong = {
        name: sorted(where)
        for name, where in packages.items()
        if len(where) > 1 and not (name in SHARED_MODULES and where <= SHARED_MODULES[name].packages)
    }
    assert wrong == {}


@pytest.mark.parametrize("name", SHARED_MODULES)
def test_a_module_name_that_may_be_shared_is(name: str) -> None:
    assert len(_packages_of_module_names()[name]) > 1


def test_only_one_function_of_a_name_is_imported_by_its_bare_name() -> None:
    """The others are called with their module, as in `envelope.encode(...)`."""
    defined = {(module.name, name) for module in modules() for name in _public_functions(module)}
    imported: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules():
        for source, name in _imported_names(module):
            if (source, name) in defined:
                imported[name].add(source)
    assert {name: sorted(sources) for name, sources in imported.items() if len(sources) > 1} == {}


def _packages_of_module_names() -> dict[str, set[str]]:
    packages: defaultdict[str, set[str]] = defaultdict(set)
    for module in modules():
        if module.stem not in _NOT_NAMES:
            packages[module.stem].add(module.name.rpartition(".")[0].removeprefix("durable_host").lstrip("."))
    return packages


def _public_functions(module: Module) -> Iterator[str]:
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name


def _imported_names(module: Module) -> Iterator[tuple[str, str]]:
    """Pairs of a module's dotted name and a name that is imported from it; relative imports made absolute."""
    package = module.name if module.stem == "__init__" else module.name.rpartition(".")[0]
    for node in module.statements:
        if isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((source, one.name) for one in node.names)
