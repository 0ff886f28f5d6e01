"""The examples on the pages about the Functions host are correct."""

import ast
from typing import Any

import pytest
from doc_pages import Page, Row, page

from durable_host import timestamp
from durable_host.config import binding_data
from durable_host.config.expressions import ExpressionFailed, SystemValues, parse
from durable_host.config.path_pattern import parse_path
from durable_host.host_id import host_id, instance_id, stable_hash
from durable_host.triggers.http.reply import text_reply
from durable_host.triggers.http.routes import RouteDeclaration, RouteTable
from durable_host.triggers.timer.schedule import InvalidSchedule, parse_schedule
from durable_host.triggers.timer.zone import UTC_ZONE

HTTP = "functions-host-http"


def protocol_page(name: str) -> Page:
    return page(f"docs/protocol/{name}.md")


def rows(name: str, heading: str) -> list[Row]:
    found = [row for row in protocol_page(name).rows() if row.heading == heading]
    assert found
    return found


@pytest.mark.parametrize("row", rows("functions-host", "Host ID"), ids=lambda row: row.cells[1])
def test_host_ids(row: Row) -> None:
    machine, path = row.code(0)
    assert host_id(machine, path) == row.code(1)[0]


def test_the_code_for_host_ids_gives_the_ids_of_the_product() -> None:
    block = next(block for block in protocol_page("functions-host").blocks if block.kind == "python")
    shown: dict[str, Any] = {}
    exec(compile(ast.parse(block.text), block.place, "exec"), shown)
    for path in ("", "/home/me/app", "/x" * 40):
        assert shown["stable_hash"](path) == stable_hash(path)
        assert shown["host_id"]("MY-Machine", path) == host_id("MY-Machine", path)


def test_the_instance_id() -> None:
    assert instance_id("devbox") in protocol_page("functions-host").text


@pytest.mark.parametrize("row", rows("functions-host-timers", "Examples"), ids=lambda row: row.cells[0])
def test_schedules(row: Row) -> None:
    after = timestamp.parse("2024-05-01T10:20:30Z")
    for expression in row.code(0):
        try:
            schedule = parse_schedule(expression, UTC_ZONE)
        except InvalidSchedule:
            assert row.cells[1] == "invalid"
            continue
        following = schedule.next_after(after)
        assert following is not None
        shown = row.cells[1].removesuffix(", without monitor")
        assert shown in (f"{timestamp.to_datetime(following):%Y-%m-%d %H:%M:%S}", "30 s later")
        assert schedule.allows_monitor is (shown == row.cells[1])


@pytest.mark.parametrize("row", rows("functions-host-blobs", "Path patterns")[2:], ids=lambda row: row.cells[1])
def test_path_patterns(row: Row) -> None:
    container, _, name = row.code(1)[0].partition("/")
    captures = row.code(2)
    expected = dict(zip(captures[::2], captures[1::2], strict=True)) if captures else None
    assert parse_path(row.code(0)[0]).match(container, name) == expected


@pytest.mark.parametrize("row", rows("functions-host-expressions", "Examples"), ids=lambda row: row.cells[0])
def test_expressions(row: Row) -> None:
    data = {"DequeueCount": 1, **binding_data.from_json_text('{"a":{"b":5},"l":[1],"t":true,"s":"x"}')}
    now = timestamp.to_datetime(timestamp.parse("2024-05-01T10:20:30Z"))
    try:
        value = parse(row.code(0)[0]).render(data, SystemValues("f", now=lambda: now))
    except ExpressionFailed:
        assert row.cells[1] == "the invocation fails"
        return
    described = {"empty": "", "32 hexadecimal digits": value if len(value) == 32 else "32 digits"}
    assert value == described.get(row.cells[1], row.cells[1].strip("`"))


@pytest.mark.parametrize(
    "row",
    [row for row in rows(HTTP, "Examples") if row.cells[0].startswith(("`GET", "`POST"))],
    ids=lambda row: row.cells[0],
)
def test_routes(row: Row) -> None:
    routes = RouteTable(
        [RouteDeclaration("a", "items/{id:int}", ["GET"], "a"), RouteDeclaration("z", "items/{x}", [], "z")], "api"
    )
    for request in row.code(0):
        method, _, path = request.partition(" ")
        found = routes.match(method, path.partition("?")[0])
        expected = row.code(1)[0] if row.code(1) and len(row.code(1)[0]) == 1 else None
        if "params ==" in row.cells[1] and expected is None:
            expected = "a"
        assert (found.route.target if found is not None else None) == expected


@pytest.mark.parametrize(
    "row", [row for row in rows(HTTP, "Examples") if row.cells[0][:2] in ("`'", '`"')], ids=lambda row: row.cells[0]
)
def test_texts_that_functions_return(row: Row) -> None:
    reply = text_reply(ast.literal_eval(row.code(0)[0]))
    assert row.cells[1].startswith(str(reply.status))
    assert row.code(1)[-1] == reply.body.decode() or "the same JSON" in row.cells[1]
