"""The examples on the protocol pages are the same as in the tests of the storage layout."""

import re
from pathlib import Path

from doc_pages import Page, Row, page

from durable_host import timestamp
from durable_host.durable.engine.entity_messages import deterministic_guid
from durable_host.durable.taskhub.azure import envelope, names

GOLDEN = Path(__file__).parents[1] / "taskhub" / "azure" / "golden"


def storage_page(name: str) -> Page:
    return page(f"docs/protocol/task-hub-storage-{name}.md")


def golden(file: str) -> list[str]:
    return (GOLDEN / file).read_text("utf-8").splitlines()


def lines_of_blocks(of: Page) -> set[str]:
    return {line for block in of.blocks for line in block.text.splitlines()}


def rows_below(heading: str) -> list[Row]:
    return [row for row in storage_page("examples").rows() if row.heading == heading]


def unescaped(text: str) -> str:
    """An example as the page writes it: some characters are `\\u` and their code."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def test_the_page_shows_the_golden_messages() -> None:
    shown = {line for line in lines_of_blocks(storage_page("examples")) if line.startswith('{"$type"')}
    assert shown == set(golden("messages.jsonl"))


def test_the_page_shows_the_golden_rows() -> None:
    assert {line.partition("\t")[2] for line in golden("rows.tsv")} - lines_of_blocks(storage_page("examples")) == set()


def test_the_pointer_in_the_page_is_the_golden_one() -> None:
    assert set(golden("pointer.json")) <= lines_of_blocks(storage_page("messages"))


def test_routing_vectors_are_right() -> None:
    rows = rows_below("Routing vectors")
    assert len(rows) == 21
    for row in rows:
        value = names.fnv1a32(unescaped(row.code()[0]))
        assert row.cells[1:] == [str(value), f"{value:08x}", str(value % 4), str(value % 16)], row.cells[0]


def test_escaped_keys_are_right() -> None:
    rows = rows_below("Escaped keys")
    assert rows
    for row in rows:
        assert names.escape_key(unescaped(row.code(0)[0])) == unescaped(row.code(1)[0])


def test_app_lease_ids_are_right() -> None:
    shown = {(row.code(0) or [""])[0]: row.code(1)[0] for row in rows_below("App lease IDs")}
    assert shown == {name: names.app_lease_id(name) for name in ("", "myapp", "my-function-app")}


def test_request_ids_are_right() -> None:
    now = timestamp.parse("2024-05-01T12:30:45.9876543Z")
    assert {deterministic_guid("abc123", now, counter) for counter in (0, 1)} <= storage_page("examples").code()


def test_the_limit_of_a_large_message_is_that_of_the_code() -> None:
    limit = f"{envelope.LARGE_MESSAGE_BYTES:,} bytes"
    assert f"**more than {limit}**" in storage_page("messages").text
