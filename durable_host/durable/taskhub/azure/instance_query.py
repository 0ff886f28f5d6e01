"""Filters and paging tokens of instance queries.

Source: docs/protocol/task-hub-storage-instances.md#instance-queries
"""

import base64
import binascii
import re
from datetime import datetime

from durable_host import timestamp
from durable_host.durable.model.instance import InstanceQuery
from durable_host.durable.taskhub.azure.instance_rows import selection
from durable_host.durable.taskhub.azure.names import escape_key
from durable_host.durable.taskhub.port import NotAToken
from durable_host.storage.errors import odata_literal

MAX_PAGE = 1000
EARLIEST = timestamp.from_datetime(datetime(1601, 1, 1))
"""The earliest time that the table service accepts. No instance has an earlier one."""

_KEY_OF_AZURE = re.compile(r"[0-9]+!\S+")
"""Such as `1!4!YWJj`. The rest is Azure's own encoding: Azure refuses what it has not written."""
_PARTITION = re.compile(r"[^\x00-\x1f\x7f-\x9f/\\#?]+")
"""A table key that is not empty."""


def partition_filter(instance_id: str) -> str:
    """Return the filter for all rows of one instance."""
    return f"PartitionKey eq {odata_literal(escape_key(instance_id))}"


def query_filter(query: InstanceQuery) -> str | None:
    """Return the OData filter, or None when the query has no condition."""
    conditions: list[str] = []
    if query.created_from is not None and query.created_from > EARLIEST:
        conditions.append(f"CreatedTime ge datetime'{timestamp.to_round_trip(query.created_from)}'")
    if query.created_to is not None:
        conditions.append(f"CreatedTime le datetime'{timestamp.to_round_trip(max(query.created_to, EARLIEST))}'")
    if query.ended_before is not None:
        before = f"datetime'{timestamp.to_round_trip(max(query.ended_before, EARLIEST))}'"
        conditions.append(f"CompletedTime lt {before} or LastUpdatedTime lt {before}")
    if query.statuses:
        conditions.append(" or ".join(f"RuntimeStatus eq '{status.name}'" for status in sorted(query.statuses)))
    if query.instance_id_prefix:
        prefix = escape_key(query.instance_id_prefix)
        conditions.append(f"PartitionKey ge {odata_literal(prefix)}")
        after = _after(prefix)
        if after is not None:
            conditions.append(f"PartitionKey lt {odata_literal(after)}")
    if query.exclude_entities and not (query.instance_id_prefix or "").startswith("@"):
        conditions.append("PartitionKey lt '@' or PartitionKey ge 'A'")
    if not conditions:
        return None
    return conditions[0] if len(conditions) == 1 else " and ".join(f"({condition})" for condition in conditions)


def query_selection(query: InstanceQuery) -> tuple[str, ...] | None:
    """Return the select list, or None for whole rows."""
    return selection(fetch_input=query.fetch_input, fetch_output=query.fetch_output)


def page_size(query: InstanceQuery) -> int:
    """Return the number of rows to request: what the query wants, within the service's limits."""
    return max(1, min(query.top, MAX_PAGE))


def write_token(continuation: tuple[str, str] | None) -> str | None:
    """Return the continuation token for callers: `<NextPartitionKey> <NextRowKey>`."""
    return None if continuation is None else f"{continuation[0]} {continuation[1]}"


def read_token(token: str | None) -> tuple[str, str] | None:
    """Return where the next page begins. A token without a space names only the partition.

    Raises NotAToken for a text without the form of a token. Azurite would not refuse it, but return any page.
    """
    if not token:
        return None
    partition, _, row = token.partition(" ")
    if not _is_partition(partition) or not _is_empty_key(row):
        raise NotAToken(token)
    return (partition, row)


def _is_partition(text: str) -> bool:
    """Return whether the text may be a partition as a table service writes it: that of Azure, or Base64 in Azurite."""
    if _KEY_OF_AZURE.fullmatch(text):
        return True
    try:
        key = base64.b64decode(text, validate=True)
        return base64.b64encode(key).decode() == text and _PARTITION.fullmatch(key.decode()) is not None
    except (binascii.Error, ValueError):
        return False


def _is_empty_key(text: str) -> bool:
    """Return whether the text may be an empty row key, which all rows have: such as `1!0!` in Azure, "" in Azurite."""
    return not text or _KEY_OF_AZURE.fullmatch(text) is not None


def _after(prefix: str) -> str | None:
    """Return the smallest text greater than all texts that begin with `prefix`, by UTF-16 units, or None."""
    if not prefix:
        return None
    last = ord(prefix[-1])
    if last == 0xFFFF:
        return _after(prefix[:-1])
    following = 0xE000 if last == 0x10FFFF or 0xD800 <= last + 1 <= 0xDFFF else last + 1
    return prefix[:-1] + chr(following)
