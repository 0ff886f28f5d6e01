"""What `run.js` changes in Azurite and its database, tested by a program that runs in place of Azurite."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from durable_host.storage.azurite.install import find_azurite, find_node

pytestmark = pytest.mark.storage

RUN = Path(__file__).parents[2] / "durable_host" / "storage" / "azurite_package" / "run.js"

ROWS = """
const Loki = require("lokijs");
const rows = new Loki("test.db").addCollection("rows", { indices: ["PartitionKey", "RowKey"], disableMeta: true });
let reads = 0;
function insert(partition, row) {
  const entry = { RowKey: row };
  Object.defineProperty(entry, "PartitionKey", { enumerable: true, get() { reads += 1; return partition; } });
  rows.insert(entry);
}
function found(PartitionKey, RowKey) {
  reads = 0;
  const row = rows.findOne({ RowKey, PartitionKey });
  return { row: row === null ? null : [row.PartitionKey, row.RowKey], reads };
}
"""
MANY_INSTANCES = (
    ROWS
    + """
for (let i = 0; i < 2000; i += 1) { insert(`instance-${i}`, ""); insert(`instance-${i}`, "sentinel"); }
console.log(JSON.stringify([
  found("instance-1234", ""), found("instance-1234", "sentinel"), found("instance-1234", "other"),
  found("nobody", ""), found("", "sentinel"),
]));
"""
)
ONE_LONG_HISTORY = (
    ROWS
    + """
for (let i = 0; i < 2000; i += 1) { insert("long", i.toString(16).padStart(16, "0")); }
insert("short", "0000000000000007");
console.log(JSON.stringify([found("long", "0000000000000007"), found("short", "0000000000000007")]));
"""
)


def run(tmp_path: Path, program: str) -> Any:
    azurite = find_azurite(None)
    if azurite is None or azurite.path.suffix != ".js":
        pytest.skip("the Azurite of this machine is no JavaScript program")
    modules = next(folder for folder in azurite.path.parents if folder.name == "node_modules")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "program.js").write_text(program)
    command = [find_node().program, str(RUN), str(tmp_path / "program.js")]
    done = subprocess.run(command, input="", capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_a_row_is_found_without_looking_at_all_instances(tmp_path: Path) -> None:
    answers = run(tmp_path, MANY_INSTANCES)
    assert [answer["row"] for answer in answers] == [
        ["instance-1234", ""], ["instance-1234", "sentinel"], None, None, None
    ]  # fmt: skip
    assert max(answer["reads"] for answer in answers) < 200


def test_a_row_is_found_without_looking_at_all_of_its_partition(tmp_path: Path) -> None:
    answers = run(tmp_path, ONE_LONG_HISTORY)
    assert [answer["row"] for answer in answers] == [["long", "0000000000000007"], ["short", "0000000000000007"]]
    assert max(answer["reads"] for answer in answers) < 200


@pytest.mark.parametrize("remove", ["removeBatchByPositions([1000])", "remove([rows.data[1000]])"])
def test_one_document_is_removed_in_place(tmp_path: Path, remove: str) -> None:
    program = (
        ROWS
        + f"""
for (let i = 0; i < 2000; i += 1) {{ insert(`p${{i}}`, ""); }}
reads = 0;
rows.{remove};
const removing = reads;
console.log(JSON.stringify([removing, rows.count(), found("p1000", "").row, found("p1001", "").row]));
"""
    )
    reads, count, gone, there = run(tmp_path, program)
    assert (count, gone, there) == (1999, None, ["p1001", ""])
    assert reads < 4000


@pytest.mark.parametrize("remove", ["removeBatchByPositions([])", "remove([])", "chain().find({ value: 1 }).remove()"])
def test_nothing_is_sorted_when_no_document_is_removed(tmp_path: Path, remove: str) -> None:
    program = f"""
const documents = new (require("lokijs"))("test.db").addCollection("messages", {{ indices: ["name"] }});
let reads = 0;
for (let i = 0; i < 2000; i += 1) {{
  documents.insert({{ get name() {{ reads += 1; return `n${{i}}`; }} }});
}}
documents.insert({{ name: "last" }});
documents.dirty = false;
reads = 0;
documents.{remove};
console.log(JSON.stringify([reads, documents.dirty, documents.count(), documents.find({{ name: "last" }}).length]));
"""
    assert run(tmp_path, program) == [0, False, 2001, 1]


def test_received_messages_are_updated_without_sorting_all(tmp_path: Path) -> None:
    program = """
const messages = new (require("lokijs"))("test.db").addCollection("m", { indices: ["queueName", "messageId"] });
let reads = 0;
for (let i = 0; i < 2000; i += 1) {
  messages.insert({ queueName: `q${i % 5}`, get messageId() { reads += 1; return `m${i}`; } });
}
const received = messages.chain().find({ queueName: "q3" }).limit(3).data();
received.forEach((message) => { message.dequeueCount = 1; });
reads = 0;
messages.update(received);
const updating = reads;
messages.remove(received[0]);
messages.insert({ queueName: "q3", messageId: "new" });
const found = (query) => messages.find(query).length;
console.log(JSON.stringify([
  updating, found({ dequeueCount: 1 }), found({ queueName: "q3" }),
  ...[received[0].messageId, received[1].messageId, "new"].map((messageId) => found({ messageId })),
]));
"""
    assert run(tmp_path, program) == [0, 2, 400, 0, 1, 1]


@pytest.mark.parametrize("remove", ["removeBatchByPositions([0, 2])", "remove([rows.data[0], rows.data[2]])"])
def test_several_documents_are_removed_at_once(tmp_path: Path, remove: str) -> None:
    program = f"""
{ROWS}
for (const name of ["a", "b", "c", "d"]) insert(name, "");
rows.{remove};
console.log(JSON.stringify(["a", "b", "c", "d"].map((name) => found(name, "").row !== null)));
"""
    assert run(tmp_path, program) == [False, True, False, True]


def test_a_row_is_found_as_long_as_it_exists(tmp_path: Path) -> None:
    program = (
        ROWS
        + """
const there = () => ["a", "b", "c", "d"].map((name) => found(name, "").row !== null);
["a", "b", "c"].forEach((name) => insert(name, ""));
const steps = [there()];
rows.update({ ...rows.findOne({ RowKey: "", PartitionKey: "b" }), PartitionKey: "b", value: 7 });
steps.push(rows.findOne({ RowKey: "", PartitionKey: "b" }).value);
rows.remove(rows.findOne({ RowKey: "", PartitionKey: "b" }));
steps.push(there());
insert("b", "");
insert("d", "");
steps.push(there());
rows.removeBatchByPositions([0, 1]);
steps.push(there());
rows.clear();
steps.push(there());
insert("a", "");
steps.push(there());
console.log(JSON.stringify(steps));
"""
    )
    assert run(tmp_path, program) == [
        [True, True, True, False],
        7,
        [True, False, True, False],
        [True, True, True, True],
        [False, True, False, True],
        [False, False, False, False],
        [True, False, False, False],
    ]


@pytest.mark.parametrize(
    "changes",
    [
        "",
        'rows.remove(rows.findOne({ RowKey: "1", PartitionKey: "p3" }));',
        'db.serialize(); insert("p0", "3"); insert("p2", "0");',
        'db.serialize(); rows.remove(rows.findOne({ RowKey: "1", PartitionKey: "p3" })); insert("p3", "5");',
    ],
)
def test_the_data_file_has_complete_indexes_for_another_azurite(tmp_path: Path, changes: str) -> None:
    program = f"""
{ROWS.replace('const rows = new Loki("test.db")', 'const db = new Loki("test.db"); const rows = db')}
for (const row of ["2", "1", "4"]) for (const name of ["p3", "p1", "p2"]) insert(name, row);
{changes}
console.log(JSON.stringify([JSON.parse(db.serialize()).collections[0], rows.find({{ PartitionKey: "p3" }}).length]));
"""
    file, found = run(tmp_path, program)
    data, indices = file["data"], file["binaryIndices"]
    assert found == sum(row["PartitionKey"] == "p3" for row in data) > 1
    for name in ("PartitionKey", "RowKey"):
        values = indices[name]["values"]
        assert sorted(values) == list(range(len(data)))
        assert [data[at][name] for at in values] == sorted(row[name] for row in data)


def test_a_search_of_an_index_finds_rows_that_were_just_inserted(tmp_path: Path) -> None:
    program = ROWS + 'insert("b", "1"); insert("a", "1"); console.log(rows.find({ PartitionKey: "a" }).length);'
    assert run(tmp_path, program) == 1


def test_a_write_takes_no_longer_with_many_rows(tmp_path: Path) -> None:
    program = (
        ROWS
        + """
for (let i = 0; i < 2000; i += 1) { insert(`instance-${i}`, ""); }
const first = rows.findOne({ RowKey: "", PartitionKey: "instance-7" });
reads = 0;
insert("another", "");
const inserting = reads;
rows.update(first);
const updating = reads - inserting;
rows.remove(first);
console.log(JSON.stringify([inserting, updating, reads - inserting - updating]));
"""
    )
    assert max(run(tmp_path, program)) < 10


def test_signature_is_the_same_with_a_prepared_key(tmp_path: Path) -> None:
    (tmp_path / "common" / "utils").mkdir(parents=True)
    (tmp_path / "common" / "utils" / "utils.js").write_text(
        """
const { createHmac } = require("crypto");
exports.plain = (text, key) => createHmac("sha256", new Uint8Array(key)).update(text, "utf8").digest("base64");
exports.computeHMACSHA256 = exports.plain;
"""
    )
    program = """
const utils = require("./common/utils/utils");
const keys = [Buffer.from("one"), Buffer.from("two"), [1, 2, 3]];
const pairs = keys.flatMap((key) => ["a", "\u00e4", "a"].map((text) => [text, key]));
console.log(JSON.stringify([
  utils.computeHMACSHA256 !== utils.plain,
  pairs.every((pair) => utils.computeHMACSHA256(...pair) === utils.plain(...pair)),
]));
"""
    assert run(tmp_path, program) == [True, True]


def test_paths_match_templates_that_were_parsed_before(tmp_path: Path) -> None:
    program = """
const { isURITemplateMatch } = require("azurite/dist/src/queue/generated/utils/utils");
const pairs = [["/q/messages", "/{queue}/messages"], ["/q/peek", "/{queue}/messages"], ["/q", "/{queue}"], ["/", "/"]];
const once = pairs.map((pair) => isURITemplateMatch(...pair));
const templates = require("uri-templates");
console.log(JSON.stringify([
  once, pairs.map((pair) => isURITemplateMatch(...pair)), templates("/{queue}") === templates("/{queue}"),
]));
"""
    answers = [True, False, True, True]
    assert run(tmp_path, program) == [answers, answers, True]


def test_service_for_sql_databases_is_loaded_when_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "blob").mkdir()
    (tmp_path / "blob" / "SqlBlobServer.js").write_text("globalThis.isLoaded = true; exports.default = class Sql {};")
    program = """
const server = require("./blob/SqlBlobServer");
const before = globalThis.isLoaded === true;
console.log(JSON.stringify([before, server.default.name, globalThis.isLoaded, server.__esModule]));
"""
    assert run(tmp_path, program) == [False, "Sql", True, True]
