"""Each test in this folder names the page and the row of the reference that it is about."""

import ast
import re
from pathlib import Path

HERE = Path(__file__).parent
_ROW = re.compile(r"(functions-host|durable-http|events) (\d+|section \d+)(, \d+)*: ")


def _tests(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [function for function in functions if function.name.startswith("test_")]


def test_each_test_names_its_page_and_row() -> None:
    unnamed = [
        f"{path.name}: {test.name}"
        for path in sorted(HERE.glob("test_*.py"))
        if path != Path(__file__)
        for test in _tests(path)
        if not _ROW.match(ast.get_docstring(test) or "")
    ]
    assert unnamed == []
