"""Parses a Python module of the app: its imports, its names, and its FunctionApp or Blueprint."""

import ast
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from durable_host.errors import ConfigurationError

FUNCTIONS: Final = "azure.functions"
DURABLE: Final = "azure.durable_functions"
_APPS: Final = ("FunctionApp", "DFApp", "AsgiFunctionApp", "WsgiFunctionApp", "ExternalHttpFunctionApp")


class Container(msgspec.Struct, frozen=True):
    """The object whose decorators declare functions.

    `callee` is the class as written in the module, at `line` (from 1) and `column` (bytes); `origin` is its full name.
    """

    variable: str
    kind: Literal["app", "blueprint"]
    origin: str
    callee: str
    line: int
    column: int

    @property
    def is_durable(self) -> bool:
        return self.origin.startswith(DURABLE)

    @property
    def class_name(self) -> str:
        return self.origin.rpartition(".")[2]


class ModuleText:
    """A parsed module. Raises ConfigurationError if `text` is not valid Python. `name` is for error messages."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            raise ConfigurationError(
                f"{name} is not valid Python, so nothing can be added to it.",
                cause=f"line {line}: {error}" if line and f"line {line}" not in str(error) else str(error),
                remedy="Fix the file, or put the function into another one with --file.",
                code="DH1040",
            ) from error
        self.imports = dict(_imported(self.tree))

    @property
    def names(self) -> set[str]:
        """Everything that is bound at the top level."""
        bound = set(self.imports)
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                bound.add(node.name)
            else:
                bound.update(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and _is_store(inner))
        return bound

    @property
    def function_names(self) -> set[str]:
        """The function names that the host uses: from `function_name`, otherwise the names of the Python functions."""
        names: set[str] = set()
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
                names.add(node.name)
                names.update(_named(node))
        return names

    def container(self, kind: Literal["app", "blueprint"]) -> Container | None:
        """The first app or blueprint that the module creates at its top level."""
        for node in self.tree.body:
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if not isinstance(value, ast.Call) or not isinstance(target, ast.Name):
                continue
            origin = self._origin(value.func)
            module, _, name = origin.rpartition(".")
            matches = name in _APPS if kind == "app" else name == "Blueprint"
            if matches and module in (FUNCTIONS, DURABLE):
                callee = ast.get_source_segment(self.text, value.func) or ""
                return Container(target.id, kind, origin, callee, value.func.lineno, value.func.col_offset)
        return None

    def _origin(self, node: ast.expr) -> str:
        """The full dotted name behind an expression such as `func.FunctionApp`."""
        if isinstance(node, ast.Attribute):
            return f"{self._origin(node.value)}.{node.attr}"
        return self.imports.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(bound name, full name) of each import at the top level."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (root, root)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                prefix = "." * node.level + (node.module or "")
                yield alias.asname or alias.name, f"{prefix}.{alias.name}"


def _named(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == "function_name":
            values = [*decorator.args, *(keyword.value for keyword in decorator.keywords)]
            yield from (str(value.value) for value in values if isinstance(value, ast.Constant))


def _is_store(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)
