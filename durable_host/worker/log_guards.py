"""Finds `if not context.is_replaying:` with nothing but log lines in its body.

Such a check does not affect what the code does next, so the orchestrator can be kept alive.
"""

from __future__ import annotations

import ast
import tokenize
from functools import lru_cache
from types import FrameType

_LOG_CALLS = frozenset({"critical", "debug", "error", "exception", "info", "log", "print", "trace", "warn", "warning"})
_CHANGES = (ast.Await, ast.NamedExpr, ast.Yield, ast.YieldFrom)


def is_log_guard(frame: FrameType) -> bool:
    """True if the current line of the frame is such a check."""
    return frame.f_lineno in _guards(frame.f_code.co_filename)


@lru_cache(maxsize=256)
def _guards(filename: str) -> frozenset[int]:
    try:
        with tokenize.open(filename) as file:
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    return frozenset(node.test.lineno for node in ast.walk(tree) if isinstance(node, ast.If) and _is_guard(node))


def _is_guard(node: ast.If) -> bool:
    test = node.test
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test = test.operand
    elif isinstance(test, ast.Compare) and all(_is_truth(part) for part in test.comparators):
        test = test.left
    if not isinstance(test, ast.Attribute) or test.attr != "is_replaying" or node.orelse:
        return False
    return all(_only_logs(statement) for statement in node.body)


def _is_truth(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def _only_logs(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    called = statement.value.func
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return name in _LOG_CALLS and not any(isinstance(part, _CHANGES) for part in ast.walk(statement))
