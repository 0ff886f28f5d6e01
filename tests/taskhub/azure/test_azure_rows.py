"""The golden rows: columns, types and order.

Source: docs/protocol/task-hub-storage-examples.md#row-examples
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from durable_host.durable.model import events as e
from durable_host.durable.model.events import OrchestrationInstance
from durable_host.durable.model.instance import InstanceQuery, InstanceUpdate
from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.azure import history_rows, instance_query, instance_rows
from durable_host.durable.taskhub.azure.history_rows import UnreadableRow
from durable_host.durable.taskhub.port import NotAToken
from durable_host.storage.table_codec import read_entity, write_entity
from durable_host.timestamp import parse

EXECUTION = "0123456789abcdef0123456789abcdef"
GOLDEN: dict[str, list[str]] = {}
for _line in (Path(__file__).parent / "golden" / "rows.tsv").read_text(encoding="utf-8").splitlines():
    _name, _, _row = _line.partition("\t")
    GOLDEN.setdefault(_name, []).append(_row)

INSTANCE = OrchestrationInstance("abc123", EXECUTION)
STARTED = e.ExecutionStarted(
    orchestration_instance=INSTANCE,
    name="HelloSequence",
    version=None,
    input='"Tokyo"',
    generation=0,
    is_played=True,
    timestamp=parse("2024-05-01T12:30:45.1234567Z"),
)
EPISODE_1 = [
    e.OrchestratorStarted(timestamp=parse("2024-05-01T12:30:45.9876543Z")),
    STARTED,
    e.TaskScheduled(event_id=0, name="Hello", timestamp=parse("2024-05-01T12:30:46.1000010Z")),
    e.OrchestratorCompleted(timestamp=parse("2024-05-01T12:30:46.1000100Z")),
]
EPISODE_2 = [
    e.OrchestratorStarted(timestamp=parse("2024-05-01T12:30:47.1Z")),
    e.TaskCompleted(
        task_scheduled_id=0, result='"Hello Tokyo!"', is_played=True, timestamp=parse("2024-05-01T12:30:47Z")
    ),
    e.ExecutionCompleted(event_id=1, result='["Hello Tokyo!"]', timestamp=parse("2024-05-01T12:30:47.2Z")),
    e.OrchestratorCompleted(timestamp=parse("2024-05-01T12:30:47.20001Z")),
]


def columns(text: str | bytes) -> dict[str, Any]:
    return json.loads(text)


def assert_same_row(written: dict[str, Any], golden: str) -> None:
    """Same columns, types and values, and the columns in the same order."""
    raw, expected = columns(write_entity(written)), columns(golden)
    assert raw == expected
    order = [name for name in raw if not name.endswith("@odata.type")]
    assert order == [name for name in expected if not name.endswith("@odata.type")]


@pytest.mark.parametrize(("golden", "first", "events"), [("R2", 0, EPISODE_1), ("R4", 4, EPISODE_2)])
def test_history_rows_of_an_episode_are_those_of_the_protocol(
    golden: str, first: int, events: list[e.HistoryEvent]
) -> None:
    for ordinal, event in enumerate(events, first):
        row = history_rows.event_row("abc123", f"{ordinal:016X}", EXECUTION, event)
        assert_same_row(row, GOLDEN[golden][ordinal - first])
        assert history_rows.read_row(read_entity(columns(write_entity(row)))) == event


@pytest.mark.parametrize(("golden", "now"), [("R2", "2024-05-01T12:30:46.25Z"), ("R4", "2024-05-01T12:30:47.3Z")])
def test_sentinel_row_is_that_of_the_protocol(golden: str, now: str) -> None:
    row = history_rows.sentinel_row("abc123", EXECUTION, complete=True, now=parse(now))
    assert_same_row(row, GOLDEN[golden][4])


def test_sentinel_of_an_earlier_batch_has_no_checkpoint_time() -> None:
    row = history_rows.sentinel_row("abc123", EXECUTION, complete=False, now=1)
    assert "CheckpointCompletedTimestamp" not in row
    assert row["IsCheckpointComplete"] is False


def test_created_row_is_that_of_the_protocol() -> None:
    row = instance_rows.created_row("abc123", "MyHub", STARTED, STARTED.input, parse("2024-05-01T12:30:45.2Z"))
    assert_same_row(row, GOLDEN["R1"][0])


def test_row_after_the_first_episode_is_that_of_the_protocol() -> None:
    update = InstanceUpdate(
        execution_id=EXECUTION,
        last_updated_time=parse("2024-05-01T12:30:46.10001Z"),
        custom_status="null",
        started=STARTED,
        parent_instance_id="",
    )
    assert_same_row(instance_rows.update_row("abc123", "MyHub", update), GOLDEN["R3"][0])


def test_row_at_completion_is_that_of_the_protocol() -> None:
    update = InstanceUpdate(
        execution_id=EXECUTION,
        last_updated_time=parse("2024-05-01T12:30:47.20001Z"),
        custom_status="null",
        runtime_status=OrchestrationStatus.Completed,
        completed_time=parse("2024-05-01T12:30:47.29Z"),
        output='["Hello Tokyo!"]',
        parent_instance_id="",
    )
    assert_same_row(instance_rows.update_row("abc123", "MyHub", update), GOLDEN["R4"][5])


def test_row_of_an_entity_is_that_of_the_protocol() -> None:
    golden = columns(GOLDEN["R7"][0])
    started = e.ExecutionStarted(
        orchestration_instance=OrchestrationInstance("@counter@a", "4" * 32),
        name="@counter@a",
        input=golden["Input"],
        timestamp=parse("2024-05-01T12:30:46.55Z"),
    )
    update = InstanceUpdate(
        execution_id="4" * 32,
        last_updated_time=parse("2024-05-01T12:30:46.550001Z"),
        custom_status='{"entityExists":true}',
        started=started,
        parent_instance_id="",
    )
    assert_same_row(instance_rows.update_row("@counter@a", "MyHub", update), GOLDEN["R7"][0])


OTHER_ROWS: list[e.HistoryEvent] = [
    e.TimerCreated(event_id=1, fire_at=parse("2024-05-01T12:35:46Z")),
    e.TimerFired(timer_id=1, fire_at=parse("2024-05-01T12:35:46Z"), is_played=True),
    e.SubOrchestrationInstanceCreated(event_id=2, name="Child", version=None, instance_id=f"{EXECUTION}:2"),
    e.EventSent(event_id=3, instance_id="@counter@a", name="op", input="<request>"),
    e.EventRaised(name="4702cb47-3da5-5c85-bb9e-138a3635692a", input="<response>", is_played=True),
]


@pytest.mark.parametrize(("golden", "event"), list(zip(GOLDEN["R6"], OTHER_ROWS, strict=False)), ids=str)
def test_other_history_rows_are_those_of_the_protocol(golden: str, event: e.HistoryEvent) -> None:
    expected = columns(golden)
    row = history_rows.event_row("abc123", expected["RowKey"], EXECUTION, event)
    for column in ("PartitionKey", "_Timestamp", "ExecutionId"):
        del row[column]
    assert_same_row(row, golden)
    assert history_rows.read_row(read_entity(expected)) == event


def test_a_rewound_row_reads_as_a_generic_event_with_its_reason() -> None:
    scheduled, failed = [history_rows.read_row(read_entity(columns(row))) for row in GOLDEN["R9"]]
    assert scheduled == e.GenericEvent(event_id=0, reason="Rewound: TaskScheduled")
    assert failed == e.GenericEvent(event_id=-1, is_played=True, reason="Rewound: TaskFailed")


EVERY_KIND: list[e.HistoryEvent] = [
    e.ExecutionStarted(
        orchestration_instance=INSTANCE,
        parent_instance=e.ParentInstance("P", OrchestrationInstance("p", "y"), 3, None),
        tags={"a": "b"},
        correlation="c",
        parent_trace_context=e.TraceContext("00-1-2-01"),
        scheduled_start_time=parse("2024-05-01T12:35:46Z"),
        generate_new_trace=True,
    ),
    e.ExecutionTerminated(input="why"),
    e.ExecutionSuspended(reason="pause"),
    e.ExecutionResumed(reason=None),
    e.TaskScheduled(event_id=3, name="A", input="[1]", tags={"x": "y"}),
    e.TaskFailed(task_scheduled_id=3, reason="r", failure_details=e.FailureDetails("T", "m")),
    e.SubOrchestrationInstanceCompleted(task_scheduled_id=2, result="25"),
    e.SubOrchestrationInstanceFailed(task_scheduled_id=2, reason="r", details="d"),
    e.ContinueAsNew(event_id=7, result="1"),
    e.GenericEvent(data="retry"),
    e.ExecutionRewound(reason="r", parent_execution_id="p", instance_id="i"),
]


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: event.event_name)
def test_every_kind_of_event_survives_the_table(event: e.HistoryEvent) -> None:
    row = history_rows.event_row("abc123", "0000000000000000", EXECUTION, event)
    assert history_rows.read_row(read_entity(columns(write_entity(row)))) == event


def test_nested_objects_in_rows_have_no_type_names() -> None:
    row = history_rows.event_row("abc123", "0000000000000000", EXECUTION, EVERY_KIND[0])
    assert "$type" not in write_entity(row).decode()
    assert row["ParentInstance"] == (
        '{"Name":"P","OrchestrationInstance":{"InstanceId":"p","ExecutionId":"y"},"TaskScheduleId":3,"Version":null}'
    )


def test_text_with_an_unpaired_surrogate_can_be_stored() -> None:
    row = history_rows.event_row("a", "0" * 16, EXECUTION, e.ExecutionTerminated(input="x\ud800y"))
    assert columns(write_entity(row))["Input"] == "x\ufffdy"


@pytest.mark.parametrize(
    "row",
    [
        {"EventType": "NoSuchEvent"},
        {},
        {"EventType": "TaskCompleted", "EventId": -1},
        {"EventType": "TaskCompleted", "EventId": -1, "TaskScheduledId": "one"},
        {"EventType": "ExecutionCompleted", "EventId": 1, "OrchestrationStatus": "Asleep"},
        {"EventType": "ExecutionStarted", "EventId": 1, "Tags": "{"},
    ],
    ids=str,
)
def test_a_row_that_cannot_be_read_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(UnreadableRow):
        history_rows.read_row(row)


def test_instance_row_of_an_old_client_is_read() -> None:
    state = instance_rows.read_instance({"PartitionKey": "a^0b", "RowKey": "", "Name": "F", "RuntimeStatus": "Pending"})
    assert (state.instance_id, state.execution_id, state.generation, state.input) == ("a/b", None, None, None)


FROM, TO = parse("2024-05-01T12:00:00Z"), parse("2024-05-02T12:00:00.5Z")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (InstanceQuery(), None),
        (InstanceQuery(created_from=FROM), "CreatedTime ge datetime'2024-05-01T12:00:00.0000000Z'"),
        (
            InstanceQuery(
                created_from=FROM,
                created_to=TO,
                statuses=frozenset({OrchestrationStatus.Failed, OrchestrationStatus.Running}),
                exclude_entities=True,
            ),
            "(CreatedTime ge datetime'2024-05-01T12:00:00.0000000Z') and "
            "(CreatedTime le datetime'2024-05-02T12:00:00.5000000Z') and "
            "(RuntimeStatus eq 'Running' or RuntimeStatus eq 'Failed') and "
            "(PartitionKey lt '@' or PartitionKey ge 'A')",
        ),
        (InstanceQuery(instance_id_prefix="@co"), "(PartitionKey ge '@co') and (PartitionKey lt '@cp')"),
        (InstanceQuery(instance_id_prefix="it's"), "(PartitionKey ge 'it''s') and (PartitionKey lt 'it''t')"),
        (InstanceQuery(instance_id_prefix="x\uffff"), "(PartitionKey ge 'x\uffff') and (PartitionKey lt 'y')"),
        (InstanceQuery(instance_id_prefix="\uffff"), "PartitionKey ge '\uffff'"),
        (InstanceQuery(instance_id_prefix="a/"), "(PartitionKey ge 'a^0') and (PartitionKey lt 'a^1')"),
    ],
)
def test_listing_filter_is_built_as_the_reference_does(query: InstanceQuery, expected: str | None) -> None:
    assert instance_query.query_filter(query) == expected


def test_select_list_leaves_out_what_is_not_wanted() -> None:
    wanted = instance_query.query_selection(InstanceQuery(fetch_input=False))
    assert wanted is not None
    assert "Input" not in wanted
    assert "Output" in wanted
    assert "TaskHubName" not in wanted
    assert instance_query.query_selection(InstanceQuery()) is None


@pytest.mark.parametrize("continuation", [("YWJj", ""), ("1!4!YWJj", "1!0!"), ("w7wgYQ==", "")])
def test_paging_token_is_partition_and_row_key(continuation: tuple[str, str]) -> None:
    token = instance_query.write_token(continuation)
    assert token == f"{continuation[0]} {continuation[1]}"
    assert instance_query.read_token(token) == continuation


def _of_azurite(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "zzz", "abc!def", "1!", "1!8!U21pdGg- YWJj", "1!4!YWJj x", "YWJj YQ==", "YWJj YWJj", " ", " 1!0!", "YW J",
        "\u0661!4!YWJj", "1!4!YW Jj", "YWJj  ",
        *(_of_azurite(f"a{character}b") for character in "/\\#?\0\n\x7f\x85"),
    ],
)  # fmt: skip
def test_text_without_the_form_of_a_paging_token_is_refused(token: str) -> None:
    with pytest.raises(NotAToken, match="is not a continuation token"):
        instance_query.read_token(token)


@pytest.mark.parametrize(
    "token", ["1!8!U21pdGg- 1!0!", "1!8!U21pdGg-", "YWJj ", _of_azurite("^G a"), "2!YWJj 1!4!YWJj"]
)
def test_tokens_of_both_services_are_read(token: str) -> None:
    partition, _, row = token.partition(" ")
    assert instance_query.read_token(token) == (partition, row)
