"""Each test in this folder, or its file, names the page and the row of the reference that it is about. A test of a
difference names its row of docs/reference/differences.md, and each row with an ID there has a test here. Tests of rows
about Node.js and .NET apps are in tests/node and tests/dotnet.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import page

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent
_ROW_OF_FILE = re.compile(r"\brows? \d+.* of the page (functions-host|durable-http|events)\b")
_ROW = re.compile(r"(functions-host|durable-http|events) (\d+|settings \d+)(, \d+)*: ")
_DIFFERS = re.compile(r"\bstays? different\b")

_Test = ast.FunctionDef | ast.AsyncFunctionDef


def _files(folder: Path = HERE) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(folder.glob("test_*.py")):
        if path != Path(__file__):
            yield path.name, ast.parse(path.read_text("utf-8"))


def _tests(tree: ast.Module) -> list[_Test]:
    functions = [node for node in ast.walk(tree) if isinstance(node, _Test)]
    return [function for function in functions if function.name.startswith("test_")]


def _keys(test: _Test) -> list[str]:
    """The arguments of `pytest.mark.differs`."""
    marks = [mark for mark in test.decorator_list if isinstance(mark, ast.Call)]
    named = [mark for mark in marks if ast.unparse(mark.func) == "pytest.mark.differs"]
    return [str(ast.literal_eval(argument)) for mark in named for argument in mark.args]


def test_each_test_names_its_page_and_row() -> None:
    unnamed = [
        f"{name}: {test.name}"
        for name, tree in _files()
        if not _ROW_OF_FILE.search(ast.get_docstring(tree) or "")
        for test in _tests(tree)
        if not _ROW.match(ast.get_docstring(test) or "")
    ]
    assert unnamed == []


def test_each_test_of_a_difference_names_its_row_of_the_table() -> None:
    unnamed = [
        f"{name}: {test.name}"
        for name, tree in _files()
        for test in _tests(tree)
        if _DIFFERS.search(ast.get_docstring(test) or "") and not _keys(test)
    ]
    assert unnamed == []


def test_the_rows_of_the_table_with_an_id_are_those_that_tests_name() -> None:
    files = (file for folder in ("reference", "app", "dotnet", "node") for file in _files(HERE.parent / folder))
    named = {key for _, tree in files for test in _tests(tree) for key in _keys(test)}
    assert named == set(page("docs/reference/differences.md").own_anchors())
