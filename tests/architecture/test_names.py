"""One name, one meaning: whoever reads a class name knows which class it is."""

import ast
from collections import defaultdict

from source_tree import modules


def test_no_class_name_occurs_twice() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{module.name}:{node.lineno}")
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
