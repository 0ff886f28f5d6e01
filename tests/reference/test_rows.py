"""Each test in this folder, or its file, names the page and the row of the reference that it is about."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent
_ROW_OF_FILE = re.compile(r"\brows? \d+.* of the page (functions-host|durable-http|events)\b")
_ROW = re.compile(r"(functions-host|durable-http|events) (\d+|settings \d+)(, \d+)*: ")


def _unnamed(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    if _ROW_OF_FILE.search(ast.get_docstring(tree) or ""):
        return []
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    tests = [function for function in functions if function.name.startswith("test_")]
    return [f"{path.name}: {test.name}" for test in tests if not _ROW.match(ast.get_docstring(test) or "")]


def test_each_test_names_its_page_and_row() -> None:
    paths = [path for path in sorted(HERE.glob("test_*.py")) if path != Path(__file__)]
    assert [one for path in paths for one in _unnamed(path)] == []
