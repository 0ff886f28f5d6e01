"""The storage in memory answers the clients of the Azure SDKs as Azurite does: the same calls on both."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import EdmType, EntityProperty, TableServiceClient, TableTransactionError, UpdateMode
from azure.storage.blob import BlobBlock, BlobServiceClient, ContentSettings
from azure.storage.queue import QueueServiceClient

from durable_host.clock import SystemClock
from durable_host.testing.loop_thread import LoopThread
from durable_host.testing.memory_storage.memory_server import MemoryServer
from durable_host.testing.memory_storage.memory_storage import MemoryStorage


class Notes:
    """The outcomes of calls, without what differs between any two accounts."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []

    def of(self, name: str, call: Callable[[], Any], show: Callable[[Any], Any] = lambda told: told is not None) -> Any:
        """Note the outcome of a call and return its value; None if it was refused."""
        try:
            told = call()
        except TableTransactionError as error:
            self.lines.append((name, f"transaction {error.status_code} {error.error_code} {error.index}"))
            return None
        except HttpResponseError as error:
            code = getattr(error, "error_code", None)
            self.lines.append((name, f"{type(error).__name__} {error.status_code} {getattr(code, 'value', code)}"))
            return None
        self.lines.append((name, show(told)))
        return told


@pytest.fixture(scope="module")
def memory() -> Iterator[str]:
    """The connection string of an account in memory."""
    thread = LoopThread("storage in memory")

    async def start() -> tuple[MemoryServer, str]:
        server = MemoryServer()
        ports = await server.start()
        storage = MemoryStorage(SystemClock(), ports)
        server.answers = storage.answer
        return server, storage.connection_string()

    server, connection_string = thread.run(start())
    yield connection_string
    thread.run(server.close())
    thread.close()


def queue_calls(connection_string: str, note: Callable[..., Any], tag: str) -> None:
    with QueueServiceClient.from_connection_string(connection_string) as service:
        name = f"q-{tag}"
        queue = service.get_queue_client(name)
        note("send to none", lambda: queue.send_message("a"))
        note("properties of none", queue.get_queue_properties)
        note("create", lambda: queue.create_queue(metadata={"owner": "me"}))
        note("create again", lambda: queue.create_queue(metadata={"owner": "me"}))
        note("create with other metadata", lambda: queue.create_queue(metadata={"owner": "you"}))
        note("bad name", lambda: service.create_queue("Not_Valid"))
        note("list", lambda: [one.name for one in service.list_queues(name_starts_with=f"q-{tag}")], list)
        note(
            "list with metadata",
            lambda: [one.metadata for one in service.list_queues(f"q-{tag}", include_metadata=True)],
            list,
        )
        note("metadata", lambda: queue.get_queue_properties().metadata, dict)
        note("set metadata", lambda: queue.set_queue_metadata({"owner": "us"}))
        note("metadata again", lambda: queue.get_queue_properties().metadata, dict)
        note("send", lambda: queue.send_message("<a> & 'b' ü"), lambda sent: sent.content)
        note("send hidden", lambda: queue.send_message("hidden", visibility_timeout=60))
        note("send forever", lambda: queue.send_message("forever", time_to_live=-1))
        note("send with a bad time to live", lambda: queue.send_message("x", time_to_live=5, visibility_timeout=9))
        note("peek", lambda: queue.peek_messages(5), lambda told: [(one.content, one.dequeue_count) for one in told])
        got = note("receive", lambda: queue.receive_message(visibility_timeout=30))
        note("content", lambda: (got.content, got.dequeue_count), tuple)
        note("count", lambda: queue.get_queue_properties().approximate_message_count, int)
        changed = note("update", lambda: queue.update_message(got, content="new", visibility_timeout=0))
        note("update with the old receipt", lambda: queue.update_message(got, content="newer"))
        note("delete with the old receipt", lambda: queue.delete_message(got.id, got.pop_receipt))
        note(
            "receive all",
            lambda: sorted((one.content, one.dequeue_count) for one in queue.receive_messages(messages_per_page=2)),
            list,
        )
        note("delete with the receipt of the update", lambda: queue.delete_message(changed.id, changed.pop_receipt))
        note("receive too many", lambda: list(queue.receive_messages(messages_per_page=40)))
        note("clear", queue.clear_messages, lambda _: None)
        note("receive nothing", queue.receive_message)
        note("policy", queue.get_queue_access_policy, dict)
        note("drop", queue.delete_queue, lambda _: None)
        note("drop again", queue.delete_queue, lambda _: None)
        note("service", service.get_service_properties, sorted)


def blob_calls(connection_string: str, note: Callable[..., Any], tag: str) -> None:
    with BlobServiceClient.from_connection_string(connection_string) as service:
        name = f"c-{tag}"
        container = service.get_container_client(name)
        blob = container.get_blob_client("folder/a ü.txt")
        note("upload into none", lambda: blob.upload_blob(b"x"))
        note("create", lambda: container.create_container(metadata={"owner": "me"}))
        note("create again", container.create_container)
        note("bad name", lambda: service.create_container("Not_Valid"))
        note("exists", container.exists, bool)
        note("metadata", lambda: container.get_container_properties().metadata, dict)
        note("download nothing", lambda: blob.download_blob().readall(), bytes)
        note("exists not", blob.exists, bool)
        settings = ContentSettings(content_type="text/plain", content_language="de", cache_control="no-store")
        note("upload", lambda: blob.upload_blob(b"one two", metadata={"k": "v"}, content_settings=settings))
        note("upload again", lambda: blob.upload_blob(b"no"))
        note("download", lambda: blob.download_blob().readall(), bytes)
        note("download a part", lambda: blob.download_blob(offset=4, length=2).readall(), bytes)
        note("download after the end", lambda: blob.download_blob(offset=40, length=2).readall(), bytes)
        found = note("properties", blob.get_blob_properties)
        shown = found.content_settings
        note("what they are", lambda: (found.size, found.metadata, found.blob_type.value, found.lease.state), tuple)
        note("content settings", lambda: (shown.content_type, shown.content_language, shown.cache_control), tuple)
        note("md5", lambda: bytes(shown.content_md5).hex(), str)
        note("if unchanged", lambda: blob.upload_blob(b"three", overwrite=True, etag=found.etag,
             match_condition=MatchConditions.IfNotModified))  # fmt: skip
        note("if unchanged again", lambda: blob.upload_blob(b"four", overwrite=True, etag=found.etag,
             match_condition=MatchConditions.IfNotModified))  # fmt: skip
        note("if modified", lambda: blob.get_blob_properties(if_modified_since=datetime.now(UTC) + timedelta(hours=1)))
        note("set metadata", lambda: blob.set_blob_metadata({"k": "w"}))
        note("set headers", lambda: blob.set_http_headers(ContentSettings(content_type="text/html")))
        note("after that", lambda: (blob.get_blob_properties().metadata,
             blob.get_blob_properties().content_settings.content_type), tuple)  # fmt: skip
        empty = container.get_blob_client("empty")
        note("upload nothing", lambda: empty.upload_blob(b""))
        note("download an empty blob", lambda: empty.download_blob().readall(), bytes)
        blocks = container.get_blob_client("blocks")
        note("stage", lambda: [blocks.stage_block(id, text) for id, text in (("a", b"1"), ("b", b"22"))], len)
        note("not there yet", blocks.exists, bool)
        note("commit", lambda: blocks.commit_block_list([BlobBlock("b"), BlobBlock("a")]))
        note("content of the blocks", lambda: blocks.download_blob().readall(), bytes)
        note("commit what is missing", lambda: blocks.commit_block_list([BlobBlock("z")]))
        note("blocks", lambda: [(one.id, one.size) for one in blocks.get_block_list("all")[0]], list)
        log = container.get_blob_client("log")
        note("append to nothing", lambda: log.append_block(b"x"))
        note("create an append blob", log.create_append_blob)
        note("append", lambda: [log.append_block(text) for text in (b"x", b"yz")], len)
        note("what was appended", lambda: log.download_blob().readall(), bytes)
        note("append to a block blob", lambda: blob.append_block(b"x"))
        copy = container.get_blob_client("copy")
        note("copy", lambda: copy.start_copy_from_url(blob.url), lambda told: told["copy_status"])
        note("what was copied", lambda: copy.download_blob().readall(), bytes)
        note("list", lambda: [(one.name, one.size) for one in container.list_blobs()], list)
        note("list in pages", lambda: [[one.name for one in page] for page in
             container.list_blobs(results_per_page=2).by_page()], list)  # fmt: skip
        note("list a folder", lambda: [one.name for one in container.list_blobs(name_starts_with="folder/")], list)
        note("walk", lambda: [one.name for one in container.walk_blobs(delimiter="/")], list)
        note("list with metadata", lambda: [one.metadata for one in
             container.list_blobs("folder", include=["metadata"])], list)  # fmt: skip
        lease = note("lease", lambda: blob.acquire_lease(15))
        note("lease again", lambda: blob.acquire_lease(15))
        note("write what is leased", lambda: blob.upload_blob(b"x", overwrite=True))
        note("write under the lease", lambda: blob.upload_blob(b"x", overwrite=True, lease=lease))
        note("state of the lease", lambda: blob.get_blob_properties().lease.state, str)
        note("release", lease.release)
        note("delete", blob.delete_blob, lambda _: None)
        note("delete again", blob.delete_blob, lambda _: None)
        note("containers", lambda: [one.name for one in service.list_containers(name_starts_with=f"c-{tag}")], list)
        note("policy", lambda: container.get_container_access_policy()["signed_identifiers"], list)
        note("drop", container.delete_container, lambda _: None)
        note("drop again", container.delete_container, lambda _: None)


def table_calls(connection_string: str, note: Callable[..., Any], tag: str) -> None:
    with TableServiceClient.from_connection_string(connection_string) as service:
        name = f"T{tag}"
        table = service.get_table_client(name)
        row = {
            "PartitionKey": "a'b c",
            "RowKey": "1",
            "Text": "ü '",
            "Number": 7,
            "Big": EntityProperty(2**40, EdmType.INT64),
            "When": datetime(2024, 5, 3, 12, 30, 45, 123456, tzinfo=UTC),
            "Id": uuid.UUID(int=7),
            "Yes": True,
            "Half": 0.5,
            "Bytes": b"\x00\x01",
        }
        note("insert into none", lambda: table.create_entity(row))
        note("create", table.create_table)
        note("create again", table.create_table)
        note("tables", lambda: [one.name for one in service.query_tables(f"TableName eq '{name}'")], list)
        note("insert", lambda: table.create_entity(row))
        note("insert again", lambda: table.create_entity(row))
        note("get", lambda: table.get_entity("a'b c", "1"), dict)
        note("get nothing", lambda: table.get_entity("a'b c", "2"))
        note("select", lambda: table.get_entity("a'b c", "1", select=["Text", "Missing"]), dict)
        keys = {"PartitionKey": "a'b c", "RowKey": "1"}
        old = table.get_entity("a'b c", "1").metadata["etag"] if note("known", lambda: True) else ""
        note("merge", lambda: table.update_entity({**keys, "Number": 8}, mode=UpdateMode.MERGE))
        note("replace with an old etag", lambda: table.update_entity({**keys, "Number": 9}, mode=UpdateMode.REPLACE,
             etag=old, match_condition=MatchConditions.IfNotModified))  # fmt: skip
        note("merged", lambda: table.get_entity("a'b c", "1")["Number"], int)
        note("merge nothing", lambda: table.update_entity({**keys, "RowKey": "9"}, mode=UpdateMode.MERGE))
        note("upsert", lambda: table.upsert_entity({**keys, "RowKey": "2", "Number": 2, "Half": 1.5}))
        note("transaction", lambda: table.submit_transaction([
            ("create", {**keys, "RowKey": "3", "Number": 3}), ("upsert", {**keys, "RowKey": "2", "Other": "o"}),
            ("update", {**keys, "Number": 1}, {"mode": "replace"})]), len)  # fmt: skip
        note("failing transaction", lambda: table.submit_transaction([
            ("create", {**keys, "RowKey": "4"}), ("create", {**keys, "RowKey": "3"})]), len)  # fmt: skip
        note("deleting transaction", lambda: table.submit_transaction([("delete", {**keys, "RowKey": "3"})]), len)
        note("all", lambda: [(one["RowKey"], one.get("Number")) for one in table.list_entities()], list)
        note("pages", lambda: [[one["RowKey"] for one in page] for page in
             table.list_entities(results_per_page=1).by_page()], list)  # fmt: skip
        for number in range(3):
            table.upsert_entity({"PartitionKey": "f", "RowKey": str(number), "N": number, "D": number / 2,
                "B": number > 1, "L": EntityProperty(2**33 + number, EdmType.INT64), "G": uuid.UUID(int=number),
                "S": f"s{number}", "W": datetime(2024, 1, 1 + number, tzinfo=UTC)})  # fmt: skip
        for text, values in FILTERS:
            found = note(
                f"filter {text}", lambda text=text, values=values: [
                    one["RowKey"] for one in table.query_entities(text, parameters=values)], list)  # fmt: skip
            assert found is not None or text == "N eq", text
        note("delete", lambda: table.delete_entity("a'b c", "1"), lambda _: None)
        note("delete again", lambda: table.delete_entity("a'b c", "1"), lambda _: None)
        note("policy", table.get_table_access_policy, dict)
        note("drop", table.delete_table, lambda _: None)
        note("drop again", table.delete_table, lambda _: None)
        note("insert after the drop", lambda: table.create_entity(row))


FILTERS: list[tuple[str, dict[str, Any]]] = [
    ("N ge 1 and PartitionKey eq 'f'", {}),
    ("N gt @least", {"least": 0}),
    ("D lt 1.0 or N eq 2", {}),
    ("not (N eq 1) and PartitionKey eq 'f'", {}),
    ("B eq true", {}),
    ("L gt @big", {"big": 2**33}),
    ("G eq @id", {"id": uuid.UUID(int=1)}),
    ("W le @when", {"when": datetime(2024, 1, 2, tzinfo=UTC)}),
    ("S eq 's1' and RowKey ne '2'", {}),
    ("Missing eq 'x'", {}),
]


@pytest.mark.parametrize("calls", [queue_calls, blob_calls, table_calls], ids=lambda calls: calls.__name__)
def test_clients_see_the_same_in_memory_and_in_azurite(
    calls: Callable[[str, Callable[..., Any], str], None], connection_string: str, memory: str
) -> None:
    tag = uuid.uuid4().hex[:12]
    real, modelled = Notes(), Notes()
    calls(connection_string, real.of, tag)
    calls(memory, modelled.of, tag)
    different = [(mine, azurite) for mine, azurite in zip(modelled.lines, real.lines, strict=True) if mine != azurite]
    assert different == []


@pytest.mark.parametrize("token", ["x", "/w==", "ü"], ids=["not Base64", "not UTF-8", "not ASCII"])
def test_a_page_token_that_is_none_is_refused(memory: str, token: str) -> None:
    with TableServiceClient.from_connection_string(memory) as service:
        table = service.create_table_if_not_exists("Pages")
        keys: Any = {"PartitionKey": token, "RowKey": token}
        pages = table.list_entities().by_page(continuation_token=keys)
        with pytest.raises(HttpResponseError) as refusal:
            next(pages)
    assert (refusal.value.status_code, getattr(refusal.value, "error_code", None)) == (400, "InvalidInput")
