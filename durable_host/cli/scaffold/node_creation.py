"""Adds a function from a template to a Node.js app: a file in `src/functions` and the package that it needs.

Source: docs/protocol/functions-host-cli.md#new-functions
"""

import json
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Final

from durable_host.cli import package_json
from durable_host.cli.atomic_write import write_atomically
from durable_host.cli.scaffold import rendering
from durable_host.cli.scaffold.languages import Language
from durable_host.cli.scaffold.node_project import FUNCTIONS_FOLDER
from durable_host.cli.scaffold.template_catalog import FunctionTemplate
from durable_host.errors import ConfigurationError, UsageError

Report = Callable[[str], None]
_DURABLE: Final = ("durable-functions", "^3.0.0")
_RESERVED: Final = frozenset({
    "arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete",
    "do", "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if", "implements",
    "import", "in", "instanceof", "interface", "let", "new", "null", "package", "private", "protected", "public",
    "return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with",
    "yield",
})  # fmt: skip


def create(
    root: Path, language: Language, template: FunctionTemplate, name: str, values: Mapping[str, str], report: Report
) -> None:
    """Write the function. Raises UsageError or ConfigurationError before anything is written."""
    path = root / FUNCTIONS_FOLDER / f"{name}.{'ts' if language == 'typescript' else 'js'}"
    if path.exists():
        raise UsageError(f"'{path}' already exists.", remedy="Choose another name with --name.")
    package = _with_durable(root) if template.is_durable else None
    text = _text(template, language, {**values, "identifier": _identifier(name)})
    report(f"Creating a new file {path}")
    _write(path, _without_default_route(text, name))
    if package is not None:
        report(f"Adding {_DURABLE[0]} to {package_json.FILE}")
        _write(root / package_json.FILE, package)


def is_loaded(root: Path, name: str, language: Language) -> bool:
    """Whether `main` in package.json includes the new function's file, as far as is known without building the app."""
    main = package_json.read_package(root).get("main")
    if not isinstance(main, str):
        return False
    folder = "dist/" if language == "typescript" and main.startswith("dist") else ""
    file = f"{folder}{FUNCTIONS_FOLDER}/{name}.js"
    patterns = _alternatives(main.removeprefix("./"))
    return any(fnmatchcase(file, pattern.replace("**/", "*")) or file.startswith(f"{pattern}/") for pattern in patterns)


def _alternatives(pattern: str) -> list[str]:
    """`a/{b,c}` → `a/b`, `a/c`."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if found is None:
        return [pattern]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [text for part in found[1].split(",") for text in _alternatives(head + part + tail)]


def _text(template: FunctionTemplate, language: Language, values: Mapping[str, str]) -> str:
    own = f"node/{template.key}.ts"
    if language == "javascript":
        return rendering.render_script(f"node/{template.key}.js", values)
    if files("durable_host.cli").joinpath("templates", f"{own}.tmpl").is_file():
        return rendering.render_script(own, values)
    return rendering.as_typescript(rendering.render_script(f"node/{template.key}.js", values))


def _without_default_route(text: str, name: str) -> str:
    """Remove a route that is equal to the function's name, which is the default."""
    return text.replace(f"    route: '{name}',\n", "") if f"app.http('{name}'," in text else text


def _identifier(name: str) -> str:
    """A valid JavaScript identifier for the handler."""
    words = name.split("-")
    joined = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    return f"{joined}Function" if joined in _RESERVED else joined


def _with_durable(root: Path) -> str | None:
    """The text of package.json with the durable package added. None if it has the package or if there is no file."""
    document = package_json.read_package(root)
    package, version = _DURABLE
    known = {**package_json.section(document, "dependencies"), **package_json.section(document, "devDependencies")}
    if not document or package in known:
        return None
    document["dependencies"] = dict(
        sorted({**package_json.section(document, "dependencies"), package: version}.items())
    )
    indent = re.search(r"^([ \t]+)\"", (root / package_json.FILE).read_text("utf-8-sig"), re.MULTILINE)
    return json.dumps(document, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text)
    except OSError as error:
        raise ConfigurationError(f"'{path}' cannot be written.", cause=str(error), code="DH1043") from error
