"""Messages as text, queue names, dispositions.

Source: docs/protocol/functions-host-queues.md#queue-names,
    docs/protocol/functions-host-queues.md#outcomes,
    docs/protocol/functions-host-values.md#items-of-an-output,
    docs/protocol/functions-host-queues.md#examples
"""

import pytest

from durable_host.bindings.queue_output import messages_of
from durable_host.bindings.queue_text import InvalidQueueName, UndecodableMessage, decode, encode, queue_name
from durable_host.invocation.datum import Datum
from durable_host.triggers.queue.disposition import Disposition, after_failure, before_running, poison_queue_of


@pytest.mark.parametrize(
    ("kind", "value", "messages"),
    [
        ("string", "plain", [b"plain"]),
        ("string", '["a","b"]', [b"a", b"b"]),
        ("string", ' [{"a": 1}, 2, "x"] ', [b'{"a": 1}', b"2", b"x"]),
        ("string", '{"a":   1}', [b'{"a":   1}']),
        ("string", "[not json]", [b"[not json]"]),
        ("string", "[]", []),
        ("json", '["a", "b"]', [b"a", b"b"]),
        ("json", '{"a": 1}', [b'{"a": 1}']),
        ("json", '{"id": null, "body": "the body"}', [b'{\n  "id": null,\n  "body": "the body"\n}']),
        ("json", '[{"id": null, "body": "one"}, "two"]', [b'{\n  "id": null,\n  "body": "one"\n}', b"two"]),
        ("json", '{"id": "7", "body": "x"}', [b'{\n  "id": "7",\n  "body": "x"\n}']),
        ("string", '{"id": null, "body": "text"}', [b'{"id": null, "body": "text"}']),
        ("int", 3, [b"3"]),
        ("bytes", b"[1]\xff", [b"[1]\xff"]),
        ("none", None, []),
    ],
)
def test_an_output_value_makes_these_messages(kind: str, value: object, messages: list[bytes]) -> None:
    assert messages_of(Datum(kind, value)) == messages  # pyright: ignore[reportArgumentType]


def test_base64_is_decoded_and_anything_else_is_undecodable() -> None:
    assert decode("aGVsbG8=", "base64") == b"hello"
    assert decode("aGVs\nbG8=", "base64") == b"hello"
    assert decode("hello", "none") == b"hello"
    with pytest.raises(UndecodableMessage):
        decode("hello", "base64")
    assert encode(b"hello", "base64") == "aGVsbG8="


@pytest.mark.parametrize("name", ["ab", "-abc", "abc-", "a--b", "a_b", "x" * 64, "ü-queue", ""])
def test_impossible_queue_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidQueueName):
        queue_name(name)


def test_queue_names_become_lower_case() -> None:
    assert queue_name("Approval-Queue2") == "approval-queue2"


def test_a_failing_message_is_released_until_its_last_try_and_then_moved() -> None:
    assert [after_failure("q", count, 5) for count in range(1, 7)] == [Disposition.RELEASE] * 4 + [
        Disposition.POISON
    ] * 2
    assert before_running("q", 5, 5) is Disposition.RUN
    assert before_running("q", 6, 5) is Disposition.POISON


def test_there_is_no_poison_queue_of_a_poison_queue_or_of_a_long_name() -> None:
    assert poison_queue_of("q") == "q-poison"
    assert poison_queue_of("q-poison") is None
    assert poison_queue_of("x" * 57) is None
    assert after_failure("q-poison", 9, 5) is Disposition.HOLD
    assert before_running("q-poison", 9, 5) is Disposition.RUN
