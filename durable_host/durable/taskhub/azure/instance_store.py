"""The Instances table: one row per instance.

Source: docs/protocol/task-hub-storage-instances.md#instance-row,
    docs/protocol/task-hub-storage-instances.md#row-writes,
    docs/protocol/task-hub-storage-instances.md#large-input-and-output
"""

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from durable_host.clock import Clock
from durable_host.durable.model.events import ExecutionStarted
from durable_host.durable.model.instance import InstancePage, InstanceQuery, InstanceState, InstanceUpdate
from durable_host.durable.taskhub.azure import envelope, instance_query, instance_rows
from durable_host.durable.taskhub.azure.envelope import UnreadableMessage
from durable_host.durable.taskhub.azure.history_rows import Row
from durable_host.durable.taskhub.azure.large_payloads import (
    LargePayloads,
    UnreadablePayload,
    is_large,
    property_blob_name,
)
from durable_host.durable.taskhub.azure.names import HubNames, escape_key
from durable_host.durable.taskhub.port import NotAToken
from durable_host.storage import EdmDateTime, Entity, InvalidRequest, NotFound, TableService

_log = logging.getLogger("Host.Triggers.DurableTask")
_REMEMBERED = 20_000
_OUTPUT_SOURCES = (
    ("ExecutionCompleted", "Result"),
    ("ExecutionTerminated", "Input"),
    ("ExecutionSuspended", "Reason"),
    ("ExecutionResumed", "Reason"),
)


class InstanceStore:
    """Reads and writes instance rows, with large inputs and outputs in blobs.

    It remembers the etags of the last 20,000 rows. A write with an etag costs no extra request, and has no effect if
    storage carries it out too late.
    """

    def __init__(self, tables: TableService, names: HubNames, payloads: LargePayloads, clock: Clock) -> None:
        self._tables = tables
        self._names = names
        self._payloads = payloads
        self._clock = clock
        self._known: OrderedDict[str, str] = OrderedDict()

    def known_etag(self, instance_id: str) -> str | None:
        """Return the row's etag when this process last read or wrote it, or None if it is not remembered."""
        return self._known.get(instance_id)

    async def get_row(self, instance_id: str, select: tuple[str, ...] | None = None) -> Entity | None:
        """Return the row as stored."""
        row = await self._tables.get(self._names.instances, escape_key(instance_id), "", select)
        self._knows(instance_id, row.etag if row is not None else None)
        return row

    async def get(self, instance_id: str, *, fetch_input: bool, fetch_output: bool) -> InstanceState | None:
        """Return the state of one instance, or None."""
        select = instance_rows.selection(fetch_input=fetch_input, fetch_output=fetch_output)
        row = await self.get_row(instance_id, select)
        if row is None:
            return None
        return await self._state(row, fetch_input=fetch_input, fetch_output=fetch_output)

    async def get_whole(self, instance_id: str) -> InstanceState | None:
        """Return the state of one instance with its input and tags. Raises `UnreadablePayload` if a text is lost."""
        row = await self.get_row(instance_id)
        if row is None:
            return None
        state = instance_rows.read_instance(row)
        input_blob = self._input_blob(state, row)
        if input_blob is not None:
            state = msgspec.structs.replace(state, input=await self._read(input_blob))
        if row.get("TagsBlobName"):
            tags = instance_rows.read_tags(await self._read(row["TagsBlobName"]))
            state = msgspec.structs.replace(state, tags=tags)
        return state

    async def query(self, query: InstanceQuery) -> InstancePage:
        """Return one page, skipping unreadable rows with a warning. Raises NotAToken."""
        following = instance_query.read_token(query.continuation_token)
        try:
            page = await self._tables.query(
                self._names.instances,
                instance_query.query_filter(query),
                instance_query.query_selection(query),
                instance_query.page_size(query),
                following,
            )
        except InvalidRequest as refused:
            if query.continuation_token is None:
                raise
            raise NotAToken(query.continuation_token) from refused
        states: list[InstanceState] = []
        for row in page.entities:
            try:
                states.append(await self._state(row, fetch_input=query.fetch_input, fetch_output=query.fetch_output))
            except (ValueError, TypeError, KeyError) as problem:
                _log.warning(
                    "Row '%s' of table '%s' is skipped: %s", row.get("PartitionKey"), self._names.instances, problem
                )
        return InstancePage(states, instance_query.write_token(page.continuation))

    async def create(
        self, instance_id: str, start: ExecutionStarted, message_blob: str | None, etag: str | None
    ) -> Row:
        """Insert the row, or replace the one with `etag`. Return the row as written.

        Raises Conflict or PreconditionFailed when another client was faster.
        """
        key = escape_key(instance_id)
        input = self._payloads.url(message_blob) if message_blob else start.input
        row = instance_rows.created_row(key, self._names.hub, start, input, self._clock.now())
        for column in ("Input", "Tags"):
            text = row[column]
            if text and is_large(text):
                row[f"{column}BlobName"] = await self._move(key, column, text)
                row[column] = ""
        if etag is None:
            written = await self._tables.insert(self._names.instances, row)
        else:
            written = await self._tables.replace(self._names.instances, row, etag)
        self._knows(instance_id, written)
        return row

    async def update(
        self, instance_id: str, update: InstanceUpdate, moved: Mapping[tuple[str, str], str], etag: str | None
    ) -> None:
        """Merge what an episode changed into the row with `etag`, or insert it if `etag` is None.

        `moved` are the blobs of large history columns. Raises Conflict, NotFound or PreconditionFailed when the row was
        inserted, deleted or changed by another writer.
        """
        key = escape_key(instance_id)
        row = instance_rows.update_row(key, self._names.hub, update)
        for column, sources in (("Input", (("ExecutionStarted", "Input"),)), ("Output", _OUTPUT_SOURCES)):
            text = row.get(column)
            if text and is_large(text):
                known = [moved[source] for source in sources if source in moved]
                row[column] = self._payloads.url(known[0] if known else await self._move(key, column, text))
        if etag is None:
            written = await self._tables.insert(self._names.instances, row)
        else:
            written = await self._tables.merge(self._names.instances, row, etag)
        self._knows(instance_id, written)

    async def touch(self, instance_id: str, last_updated_time: int) -> None:
        """Write a newer LastUpdatedTime."""
        await self.merge(instance_id, {"LastUpdatedTime": EdmDateTime(last_updated_time)})

    async def merge(self, instance_id: str, columns: Row, etag: str = "*") -> bool:
        """Change columns of an existing row. Returns False when there is none. Raises PreconditionFailed for another
        etag.
        """
        try:
            row = {"PartitionKey": escape_key(instance_id), "RowKey": "", **columns}
            self._knows(instance_id, await self._tables.merge(self._names.instances, row, etag))
        except NotFound:
            return False
        return True

    def _knows(self, instance_id: str, etag: str | None) -> None:
        self._known.pop(instance_id, None)
        if etag is not None:
            self._known[instance_id] = etag
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    async def delete(self, instance_id: str, etag: str | None = None) -> None:
        """Delete the row. Raises PreconditionFailed for another etag than this one; None deletes any."""
        self._knows(instance_id, None)
        try:
            await self._tables.delete(self._names.instances, escape_key(instance_id), "", etag or "*")
        except NotFound:
            return

    async def _move(self, key: str, column: str, text: str) -> str:
        name = property_blob_name(key, "", column, column)
        await self._payloads.put(name, text)
        return name

    async def _state(self, row: Mapping[str, Any], *, fetch_input: bool, fetch_output: bool) -> InstanceState:
        state = instance_rows.read_instance(row)
        changes: dict[str, str | None] = {}
        input_blob = self._input_blob(state, row)
        if not fetch_input:
            changes["input"] = None
        elif input_blob is not None:
            changes["input"] = await self._text_of(input_blob)
        output_blob = self._payloads.name_in(state.output)
        if not fetch_output:
            changes["output"] = None
        elif output_blob is not None:
            changes["output"] = await self._text_of(output_blob)
        return msgspec.structs.replace(state, **changes) if changes else state

    def _input_blob(self, state: InstanceState, row: Mapping[str, Any]) -> str | None:
        name = self._payloads.name_in(state.input)
        return row.get("InputBlobName") if name is None and state.input == "" else name

    async def _text_of(self, blob: str) -> str | None:
        """Return the text in a blob, or None with a warning if it cannot be read."""
        try:
            return await self._read(blob)
        except UnreadablePayload as problem:
            _log.warning("A large input or output is not shown: %s", problem)
            return None

    async def _read(self, blob: str) -> str | None:
        """Return the text in a blob; for a start message, the input in it. Raises `UnreadablePayload`."""
        text = await self._payloads.get(blob)
        if not blob.endswith("ExecutionStarted.json.gz"):
            return text
        try:
            message = envelope.from_json(text).message
        except UnreadableMessage as problem:
            raise UnreadablePayload(f"blob '{blob}' does not contain a start message: {problem}") from None
        return message.event.input if message and isinstance(message.event, ExecutionStarted) else None
