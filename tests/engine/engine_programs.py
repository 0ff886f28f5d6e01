"""Random orchestrator programs: as data, as an orchestrator that interprets them, and evaluated directly.

A program is a list of statements `{"yield": expression, "caught": bool}`. An expression is an activity (with retries
or without), a timer, an external event, a sub-orchestration or `all`/`any` of expressions.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import azure.durable_functions as df
from hypothesis import strategies as st

ERROR = "error"


def programs(depth: int = 2) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Programs whose leaves have unique numbers (so every activity and event is told apart)."""
    return _statements(depth).map(_numbered)


def _statements(depth: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    statement = st.fixed_dictionaries({"yield": _expressions(depth), "caught": st.booleans()})
    return st.lists(statement, min_size=1, max_size=4)


def _expressions(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    leaves = [
        st.fixed_dictionaries({"kind": st.just("activity"), "fails": st.sampled_from([0, 0, 0, 9])}),
        st.fixed_dictionaries({
            "kind": st.just("retry"), "fails": st.integers(0, 4), "attempts": st.integers(1, 3),
            "interval": st.sampled_from([500, 1000, 3000]),
        }),
        st.fixed_dictionaries({"kind": st.just("timer"), "seconds": st.integers(0, 5)}),
        st.fixed_dictionaries({"kind": st.just("event")}),
    ]  # fmt: skip
    if depth <= 0:
        return st.one_of(leaves)
    children = st.lists(st.deferred(lambda: _expressions(depth - 1)), min_size=1, max_size=3)
    compound = [
        st.fixed_dictionaries({"kind": st.just("all"), "children": children}),
        st.fixed_dictionaries({"kind": st.just("any"), "children": children}),
        st.fixed_dictionaries({"kind": st.just("child"), "program": _statements(0), "retried": st.booleans()}),
    ]
    return st.one_of(*leaves, *compound)


def _numbered(program: list[dict[str, Any]], counter: list[int] | None = None) -> list[dict[str, Any]]:
    counter = counter if counter is not None else [0]

    def visit(node: dict[str, Any]) -> dict[str, Any]:
        counter[0] += 1
        node = {**node, "id": counter[0]}
        if "children" in node:
            node["children"] = [visit(child) for child in node["children"]]
        if "program" in node:
            node["program"] = _numbered(node["program"], counter)
            # A second run of the child would find the count of failures used up.
            node["retried"] &= all(each["yield"]["kind"] != "retry" for each in node["program"])
        return node

    return [{**statement, "yield": visit(statement["yield"])} for statement in program]


def event_names(program: list[dict[str, Any]]) -> list[str]:
    """External events that the program (not its children's) waits for."""

    def visit(node: dict[str, Any]) -> list[str]:
        if node["kind"] == "event":
            return [f"e{node['id']}"]
        return [name for child in node.get("children", ()) for name in visit(child)]

    return [name for statement in program for name in visit(statement["yield"])]


def without_child_events(program: list[dict[str, Any]]) -> bool:
    def visit(node: dict[str, Any]) -> bool:
        if node["kind"] == "child":
            return not event_names(node["program"])
        return all(visit(child) for child in node.get("children", ()))

    return all(visit(statement["yield"]) for statement in program)


# As an orchestrator


def interpreter(context: df.DurableOrchestrationContext):
    results = []
    for statement in context.get_input():  # pyright: ignore[reportOptionalIterable]
        expression = statement["yield"]
        task = build(context, expression)
        try:
            yield task
        except Exception:
            if not statement["caught"]:
                raise
        results.append(describe(task, expression))
        if expression["kind"] == "any":
            cancel_losers(task, expression)
    return results


def build(context: Any, node: dict[str, Any]) -> Any:
    match node["kind"]:
        case "activity":
            return context.call_activity("work", node)
        case "retry":
            return context.call_activity_with_retry("work", df.RetryOptions(node["interval"], node["attempts"]), node)
        case "timer":
            return context.create_timer(context.current_utc_datetime + timedelta(seconds=node["seconds"]))
        case "event":
            return context.wait_for_external_event(f"e{node['id']}")
        case "child" if node["retried"]:
            return context.call_sub_orchestrator_with_retry("interpreter", df.RetryOptions(700, 2), node["program"])
        case "child":
            return context.call_sub_orchestrator("interpreter", node["program"])
        case "all":
            return context.task_all([build(context, child) for child in node["children"]])
        case _:
            return context.task_any([build(context, child) for child in node["children"]])


def describe(task: Any, node: dict[str, Any]) -> Any:
    if isinstance(task.result, Exception):
        return ERROR
    if node["kind"] == "any":
        winner = task.children.index(task.result)
        return [winner, describe(task.result, node["children"][winner])]
    if node["kind"] == "all":
        return [describe(child, each) for child, each in zip(task.children, node["children"], strict=True)]
    return task.result


def cancel_losers(task: Any, node: dict[str, Any]) -> None:
    for child, each in zip(task.children, node["children"], strict=True):
        if each["kind"] == "timer" and not child.is_completed:
            child.cancel()


class Work:
    """The activity: fails as often as its node says, then answers with the node's number."""

    def __init__(self) -> None:
        self.calls: dict[int, int] = {}

    def __call__(self, node: dict[str, Any]) -> int:
        self.calls[node["id"]] = self.calls.get(node["id"], 0) + 1
        if self.calls[node["id"]] <= node["fails"]:
            raise ValueError(f"attempt {self.calls[node['id']]}")
        return node["id"] * 10


# Evaluated directly


def fits(program: list[dict[str, Any]], observed: Any) -> bool:
    """True when `observed` (the output, or ERROR) is a result that the program can have."""
    if observed == ERROR:
        return any(not each["caught"] and can_fail(each["yield"]) for each in program)
    assert isinstance(observed, list)
    return len(observed) == len(program) and all(
        expected(statement["yield"], value) and not (value == ERROR and not statement["caught"])
        for statement, value in zip(program, observed, strict=True)
    )


def expected(node: dict[str, Any], value: Any) -> bool:
    match node["kind"]:
        case "activity" | "retry":
            return value == (ERROR if can_fail(node) else node["id"] * 10)
        case "timer":
            return value is None
        case "event":
            return value == f"data of e{node['id']}"
        case "child":
            return fits(node["program"], value)
        case "all":
            if value == ERROR:
                return can_fail(node)
            return all(expected(child, each) for child, each in zip(node["children"], value, strict=True))
        case _:
            return expected(node["children"][value[0]], value[1])


def can_fail(node: dict[str, Any]) -> bool:
    match node["kind"]:
        case "activity":
            return node["fails"] > 0
        case "retry":
            return node["fails"] >= node["attempts"]
        case "all":
            return any(can_fail(child) for child in node["children"])
        case "child":
            return any(not each["caught"] and can_fail(each["yield"]) for each in node["program"])
        case _:
            return False
