"""Adds functions to Python modules. Pure functions from text to text, which return only valid Python."""

import ast

from durable_host.cli.scaffold.module_text import DURABLE, FUNCTIONS, Container, ModuleText
from durable_host.errors import ConfigurationError, UsageError

_DURABLE_NAMES = {"FunctionApp": "DFApp", "DFApp": "DFApp", "Blueprint": "Blueprint"}


def with_functions(module: ModuleText, snippet: str) -> str:
    """The module with the missing imports of the snippet added, and the snippet's functions at its end.

    Raises UsageError if a name is already taken.
    """
    addition = ast.parse(snippet)
    imports = [node for node in addition.body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = snippet.split("\n")
    first = max((node.end_lineno or 0 for node in imports), default=0)
    body = "\n".join(lines[first:]).strip("\n")
    defined = [node.name for node in addition.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for name in defined:
        if name in module.names or name in module.function_names:
            raise UsageError(f"{module.name} already has a '{name}'.", remedy="Choose another name with --name.")
    text = with_imports(module, [line for node in imports for line in _import_lines(node)])
    text = text.rstrip("\n")
    return checked(f"{text}\n\n\n{body}\n" if text else f"{body}\n", module)


def with_imports(module: ModuleText, wanted: list[str]) -> str:
    """The module with the missing import statements of `wanted` added. Raises UsageError if a name is in use."""
    missing: list[str] = []
    for line in wanted:
        ((name, origin),) = ModuleText(line, module.name).imports.items()
        if module.imports.get(name) == origin:
            continue
        if name in module.names:
            raise UsageError(
                f"{module.name} uses the name '{name}' for something other than '{line}'.",
                remedy="Put the function into its own file: --file NAME.py",
            )
        missing.append(line)
    if not missing:
        return module.text
    lines = module.text.split("\n")
    at, follows_import = _end_of_imports(module.tree)
    if not follows_import:
        missing = [*([""] if at else []), *missing, *([""] if any(lines[at:]) else [])]
    return "\n".join([*lines[:at], *missing, *lines[at:]])


def as_durable(module: ModuleText, container: Container) -> str:
    """The module with its FunctionApp (or Blueprint) replaced by that of Durable Functions.

    Raises ConfigurationError for an app of another kind.
    """
    replacement = _DURABLE_NAMES.get(container.class_name)
    if replacement is None:
        raise ConfigurationError(
            f"{container.class_name} does not support durable functions.",
            cause=f"'{container.variable}' in {module.name} is a {container.class_name}.",
            remedy="Put the function into a blueprint: --file NAME.py",
            code="DH1041",
        )
    lines = module.text.split("\n")
    line = lines[container.line - 1].encode()
    head, tail = line[: container.column], line[container.column + len(container.callee.encode()) :]
    lines[container.line - 1] = head.decode() + f"df.{replacement}" + tail.decode()
    edited = ModuleText("\n".join(lines), module.name)
    return checked(with_imports(edited, [f"import {DURABLE} as df"]), module)


def with_blueprint(module: ModuleText, app: Container, blueprint_module: str, variable: str) -> str:
    """The module with `from blueprint_module import variable` and its registration added if they are missing."""
    local = next((name for name, origin in module.imports.items() if origin == f"{blueprint_module}.{variable}"), None)
    if local is not None and _registers(module, local):
        return module.text
    text = module.text
    if local is None:
        local = variable
        if local in module.names:
            local = blueprint_module.replace(".", "_") + f"_{variable}"
        line = f"from {blueprint_module} import {variable}" + (f" as {local}" if local != variable else "")
        text = with_imports(module, [line])
    text = text.rstrip("\n")
    return checked(f"{text}\n\n\n{app.variable}.register_functions({local})\n", module)


def new_blueprint(*, durable: bool) -> str:
    """A module with an empty blueprint, `bp`."""
    if durable:
        return f"import {DURABLE} as df\nimport {FUNCTIONS} as func\n\nbp = df.Blueprint()\n"
    return f"import {FUNCTIONS} as func\n\nbp = func.Blueprint()\n"


def checked(text: str, module: ModuleText) -> str:
    """Return `text` if it is valid Python. Otherwise raise ConfigurationError, so that nothing is written."""
    ModuleText(text, module.name)
    return text


def _import_lines(node: ast.Import | ast.ImportFrom) -> list[str]:
    """One statement per name."""
    if isinstance(node, ast.Import):
        return [ast.unparse(ast.Import([alias])) for alias in node.names]
    return [ast.unparse(ast.ImportFrom(node.module, [alias], node.level)) for alias in node.names]


def _end_of_imports(tree: ast.Module) -> tuple[int, bool]:
    """The line after which to add an import, and whether that line is an import (otherwise it is the docstring)."""
    end, is_import = 0, False
    for index, node in enumerate(tree.body):
        is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not is_docstring and not isinstance(node, ast.Import | ast.ImportFrom):
            break
        end, is_import = node.end_lineno or end, not is_docstring
    return end, is_import


def _registers(module: ModuleText, name: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") in ("register_functions", "register_blueprint")
        and any(isinstance(argument, ast.Name) and argument.id == name for argument in node.args)
        for node in ast.walk(module.tree)
    )
