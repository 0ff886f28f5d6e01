"""Searches among the instances of the embedded hub: SQL filters, sorts and counts.

Functions run inside the caller's transaction.
"""

import string
from collections.abc import Iterator
from sqlite3 import Connection
from typing import Any

from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.instance_search import InstanceSearch, SearchPage, spellings
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.durable.taskhub.sqlite.codec import well_formed

_OUTPUT_SHOWN = 1000
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""What LOWER of SQLite does. So other letters are found as they were typed, too."""
_TERMINAL = ", ".join(str(int(one)) for one in sorted(TERMINAL_STATUSES))
_END = f"CASE WHEN runtime_status IN ({_TERMINAL}) THEN COALESCE(completed_time, last_updated_time) ELSE :now END"
_NAMES = " ".join(f"WHEN {int(one)} THEN '{one.name}'" for one in OrchestrationStatus)
_KEYS = {
    "created": "created_time",
    "updated": "last_updated_time",
    "duration": f"MAX(0, ({_END}) - created_time)",
    "name": "LOWER(name)",
    "id": "instance_id",
    "status": f"CASE runtime_status {_NAMES} ELSE 'Running' END",
}
_FAILED = int(OrchestrationStatus.Failed)
_COLUMNS = (
    "instance_id, name, version, runtime_status, created_time, last_updated_time, completed_time, custom_status, "
    f"parent_instance_id, CASE runtime_status WHEN {_FAILED} THEN SUBSTR(output, 1, {_OUTPUT_SHOWN}) END"
)


def page(connection: Connection, wanted: InstanceSearch) -> SearchPage:
    """Return one page, and the counts of all instances that match."""
    where, values = _conditions(wanted)
    counted = connection.execute(
        f"SELECT runtime_status, COUNT(*) FROM instances WHERE {where} GROUP BY runtime_status", values
    ).fetchall()
    key, direction = _KEYS[wanted.sort], "DESC" if wanted.descending else "ASC"
    where += _of_statuses(wanted)
    if wanted.after is not None:
        values |= {"after": wanted.after[0], "after_id": wanted.after[1]}
        where += f" AND ({key}, instance_id) {'<' if wanted.descending else '>'} (:after, :after_id)"
    rows = connection.execute(
        f"SELECT {_COLUMNS}, {key} FROM instances WHERE {where} "
        f"ORDER BY {key} {direction}, instance_id {direction} LIMIT :top",
        values | {"top": wanted.top + 1, "now": wanted.now},
    ).fetchall()
    shown = rows[: wanted.top]
    return SearchPage(
        instances=[_state(row) for row in shown],
        counts={OrchestrationStatus(status): count for status, count in counted},
        after=(shown[-1][-1], shown[-1][0]) if len(rows) > wanted.top else None,
    )


def failed(connection: Connection, wanted: InstanceSearch) -> list[InstanceState]:
    """Return all failed instances that match, the latest first."""
    where, values = _conditions(wanted)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM instances WHERE {where} AND runtime_status = {_FAILED} "
        "ORDER BY last_updated_time DESC, instance_id DESC LIMIT :top",
        values | {"top": wanted.top},
    )
    return [_state(row) for row in rows]


def changes(connection: Connection) -> int:
    """Return a number that changes when another connection writes to the file."""
    return connection.execute("PRAGMA data_version").fetchone()[0]


def _conditions(wanted: InstanceSearch) -> tuple[str, dict[str, Any]]:
    """The conditions except those about the status, and their values."""
    conditions = ["SUBSTR(instance_id, 1, 1) <> '@'"]
    values: dict[str, Any] = {}
    if wanted.created_from is not None:
        conditions.append("created_time >= :created_from")
        values["created_from"] = wanted.created_from
    if wanted.created_to is not None:
        conditions.append("created_time <= :created_to")
        values["created_to"] = wanted.created_to
    if wanted.id_prefix:
        conditions.append("instance_id >= :prefix AND SUBSTR(instance_id, 1, LENGTH(:prefix)) = :prefix")
        values["prefix"] = well_formed(wanted.id_prefix)
    if wanted.name:
        conditions.append("(INSTR(LOWER(name), :name) OR INSTR(LOWER(name), :name_as_typed))")
        name = well_formed(wanted.name)
        values |= {"name": name.lower(), "name_as_typed": name.translate(_ASCII_LOWER)}
    if wanted.text:
        text = well_formed(wanted.text)
        spelled = tuple(dict.fromkeys((*spellings(text), text.translate(_ASCII_LOWER))))
        values |= {f"text{number}": text for number, text in enumerate(spelled)}
        conditions.append(f"({' OR '.join(_text_conditions(len(spelled)))})")
    return " AND ".join(conditions), values


def _text_conditions(count: int) -> Iterator[str]:
    for column in ("custom_status", "input", "output"):
        for number in range(count):
            yield f"INSTR(LOWER({column}), :text{number})"


def _of_statuses(wanted: InstanceSearch) -> str:
    if not wanted.statuses:
        return ""
    return f" AND runtime_status IN ({', '.join(str(int(one)) for one in sorted(wanted.statuses))})"


def _state(row: tuple[Any, ...]) -> InstanceState:
    return InstanceState(
        instance_id=row[0],
        execution_id=None,
        name=row[1],
        version=row[2],
        runtime_status=OrchestrationStatus(row[3]),
        created_time=row[4],
        last_updated_time=row[5],
        completed_time=row[6],
        custom_status=row[7],
        parent_instance_id=row[8] or None,
        output=row[9],
    )
