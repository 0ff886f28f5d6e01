"""The instance rows of the embedded hub. Functions run inside the caller's transaction.

Source: docs/protocol/task-hub-storage-instances.md#instance-row,
    docs/protocol/task-hub-storage-instances.md#row-writes
"""

import base64
import binascii
from sqlite3 import Connection
from typing import Any

import msgspec

from durable_host.durable.model.instance import EndedQuery, InstancePage, InstanceQuery, InstanceState, InstanceUpdate
from durable_host.durable.model.status import TERMINAL_STATUSES, OrchestrationStatus
from durable_host.durable.taskhub.port import CommitConflict, NotAToken
from durable_host.durable.taskhub.sqlite.codec import storable
from durable_host.durable.taskhub.sqlite.schema import END, ENDED_ORCHESTRATIONS

_COLUMNS = (
    "instance_id, execution_id, name, version, runtime_status, created_time, last_updated_time, completed_time, "
    "scheduled_start_time, generation, tags, custom_status, parent_instance_id"
)
_tags_decoder = msgspec.json.Decoder(dict[str, str])


def read(
    connection: Connection, instance_id: str, *, fetch_input: bool = True, fetch_output: bool = True
) -> InstanceState | None:
    row = connection.execute(
        f"{_select(fetch_input, fetch_output)} WHERE instance_id = ?", (storable(instance_id),)
    ).fetchone()
    return None if row is None else _state(row)


def query(connection: Connection, wanted: InstanceQuery) -> InstancePage:
    """Return one page, ordered by instance ID. Raises NotAToken."""
    conditions: list[str] = []
    values: list[Any] = []

    def require(condition: str, *its_values: Any) -> None:
        conditions.append(condition)
        values.extend(its_values)

    if wanted.created_from is not None:
        require("created_time >= ?", wanted.created_from)
    if wanted.created_to is not None:
        require("created_time <= ?", wanted.created_to)
    if wanted.ended_before is not None:
        require(f"{END} < ?", wanted.ended_before)
    if wanted.statuses:
        require(f"runtime_status IN ({', '.join('?' * len(wanted.statuses))})", *map(int, wanted.statuses))
    if wanted.instance_id_prefix:
        prefix = storable(wanted.instance_id_prefix)
        require("instance_id >= ? AND substr(instance_id, 1, ?) = ?", prefix, len(prefix), prefix)
    elif wanted.exclude_entities:
        require("substr(instance_id, 1, 1) <> '@'")
    if wanted.continuation_token:
        require("instance_id > ?", _last_of(wanted.continuation_token))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    top = max(1, wanted.top)
    rows = connection.execute(
        f"{_select(wanted.fetch_input, wanted.fetch_output)}{where} ORDER BY instance_id LIMIT ?", (*values, top + 1)
    ).fetchall()
    states = [_state(row) for row in rows[:top]]
    return InstancePage(states, _token_after(states[-1].instance_id) if len(rows) > top else None)


def replace(connection: Connection, state: InstanceState) -> None:
    """Write a new instance, replacing the whole row."""
    connection.execute(
        f"INSERT OR REPLACE INTO instances ({_COLUMNS}, input, output) VALUES ({', '.join('?' * 15)})",
        (
            storable(state.instance_id), state.execution_id, storable(state.name), state.version,
            int(state.runtime_status), state.created_time, state.last_updated_time, state.completed_time,
            state.scheduled_start_time, state.generation, _tags_text(state.tags), storable(state.custom_status),
            storable(state.parent_instance_id), storable(state.input), storable(state.output),
        ),
    )  # fmt: skip


def merge(connection: Connection, instance_id: str, update: InstanceUpdate) -> None:
    """Apply an episode's changes. None leaves a column unchanged. Only a start creates a missing row."""
    columns: dict[str, Any] = {"execution_id": update.execution_id, "last_updated_time": update.last_updated_time}
    if update.started is not None:
        started = update.started
        columns |= {
            "name": storable(started.name),
            "version": started.version,
            "created_time": started.timestamp,
            "tags": _tags_text(started.tags),
            "runtime_status": int(OrchestrationStatus.Running),
        }
        optional = {
            "generation": started.generation,
            "scheduled_start_time": started.scheduled_start_time,
            "input": storable(started.input),
        }
        columns |= {name: value for name, value in optional.items() if value is not None}
    changes = {
        "runtime_status": None if update.runtime_status is None else int(update.runtime_status),
        "custom_status": storable(update.custom_status),
        "output": storable(update.output),
        "completed_time": update.completed_time,
        "parent_instance_id": storable(update.parent_instance_id),
    }
    columns |= {name: value for name, value in changes.items() if value is not None}
    key = storable(instance_id)
    assignments = ", ".join(f"{name} = ?" for name in columns)
    done = connection.execute(f"UPDATE instances SET {assignments} WHERE instance_id = ?", (*columns.values(), key))
    if done.rowcount == 0 and update.started is not None:
        columns["instance_id"] = key
        connection.execute(
            f"INSERT INTO instances ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            tuple(columns.values()),
        )


def ended(connection: Connection, wanted: EndedQuery) -> list[tuple[int, str]]:
    """Return a page of ended orchestrations, ordered by end and ID, which an index has in this order."""
    sql, values = ended_statement(wanted)
    return [(row[0], row[1]) for row in connection.execute(sql, values)]


def ended_statement(wanted: EndedQuery) -> tuple[str, list[Any]]:
    """Return the statement of `ended` and its values."""
    time, instance_id = wanted.after
    first = time if wanted.ended_from is None else max(time, wanted.ended_from)
    conditions = [ENDED_ORCHESTRATIONS, f"{END} >= ?", f"({END}, instance_id) > (?, ?)"]
    values: list[Any] = [first, time, storable(instance_id)]
    if wanted.ended_to is not None:
        conditions.append(f"{END} < ?")
        values.append(wanted.ended_to)
    if wanted.statuses != TERMINAL_STATUSES:
        conditions.append(f"runtime_status IN ({', '.join('?' * len(wanted.statuses))})")
        values += map(int, wanted.statuses)
    where = " AND ".join(conditions)
    values.append(max(1, wanted.top))
    return f"SELECT {END}, instance_id FROM instances WHERE {where} ORDER BY {END}, instance_id LIMIT ?", values


def check(connection: Connection, instance_id: str, expected_row: InstanceState | None) -> None:
    """Raise `CommitConflict` if the row has changed since `expected_row` was read."""
    stored = read(connection, instance_id, fetch_input=False, fetch_output=False)
    if stored != (expected_row and msgspec.structs.replace(expected_row, input=None, output=None)):
        raise CommitConflict(f"The row of instance '{instance_id}' was changed since it was read.")


def touch(connection: Connection, instance_id: str, last_updated_time: int) -> None:
    connection.execute(
        "UPDATE instances SET last_updated_time = MAX(last_updated_time, ?) WHERE instance_id = ?",
        (last_updated_time, storable(instance_id)),
    )


def delete(connection: Connection, instance_id: str) -> bool:
    return connection.execute("DELETE FROM instances WHERE instance_id = ?", (storable(instance_id),)).rowcount > 0


def _select(fetch_input: bool, fetch_output: bool) -> str:
    return (
        f"SELECT {_COLUMNS}, {'input' if fetch_input else 'NULL'}, {'output' if fetch_output else 'NULL'} "
        "FROM instances"
    )


def _state(row: tuple[Any, ...]) -> InstanceState:
    return InstanceState(
        instance_id=row[0],
        execution_id=row[1],
        name=row[2],
        version=row[3],
        runtime_status=OrchestrationStatus(row[4]),
        created_time=row[5],
        last_updated_time=row[6],
        completed_time=row[7],
        scheduled_start_time=row[8],
        generation=row[9],
        tags=None if row[10] is None else _tags_decoder.decode(row[10]),
        custom_status=row[11],
        parent_instance_id=row[12] or None,
        input=row[13],
        output=row[14],
    )


def _tags_text(tags: dict[str, str] | None) -> str | None:
    return None if tags is None else msgspec.json.encode(tags).decode()


def _token_after(instance_id: str) -> str:
    return base64.urlsafe_b64encode(instance_id.encode()).decode()


def _last_of(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise NotAToken(token) from error
