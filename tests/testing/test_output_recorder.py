"""What the recorder of an output records and replaces; without an app."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest

from durable_host.invocation.datum import Datum, binary, json_text, string
from durable_host.testing.behaviours import CodeLanguage
from durable_host.testing.doubles import DoubleNames, Doubles
from durable_host.testing.output_recorder import OutputRecorder
from durable_host.testing.sdk_json import plain_json
from durable_host.testing.stand_ins import OutputWrite, Replacement

NAMES = DoubleNames(
    {},
    {"SendReceipt": {"message": "queue", "$return": "blob"}, "Archive": {"row": "table"}, "Notify": {"e": "sendGrid"}},
)


class _Outputs:
    """The outputs of an app."""

    def __init__(self) -> None:
        self.doubles = Doubles(NAMES, CodeLanguage(plain_json, "Exception"))

    def write(self, value: Datum, binding: str = "message", type: str = "queue") -> Replacement | None:
        write = OutputWrite(function="SendReceipt", binding=binding, type=type, value=value)
        return asyncio.run(self.doubles.output_written(write))


@pytest.fixture
def outputs() -> _Outputs:
    return _Outputs()


@pytest.fixture
def messages(outputs: _Outputs) -> OutputRecorder:
    return outputs.doubles.output("SendReceipt", "message")


VALUES: list[tuple[str, Datum, list[Any]]] = [
    ("queue", string("plain"), ["plain"]),
    ("queue", string('{"a": 1}'), ['{"a": 1}']),
    ("queue", string('["a", {"b": 1}]'), ["a", {"b": 1}]),
    ("queue", string("[not json"), ["[not json"]),
    ("queue", json_text('{"a": 1}'), [{"a": 1}]),
    ("queue", json_text('[{"a": 1}, {"a": 2}]'), [{"a": 1}, {"a": 2}]),
    ("queue", binary(b"\xff"), [b"\xff"]),
    ("queue", Datum("collection_string", ["a", "b"]), ["a", "b"]),
    ("queue", Datum("int", 3), [3]),
    ("blob", string("[1, 2]"), ["[1, 2]"]),
    ("blob", json_text("[1, 2]"), [[1, 2]]),
    ("table", json_text('[{"RowKey": "1"}, {"RowKey": "2"}]'), [{"RowKey": "1"}, {"RowKey": "2"}]),
    ("cosmosDB", json_text('{"id": "1"}'), [{"id": "1"}]),
]


@pytest.mark.parametrize(("type", "value", "expected"), VALUES)
def test_each_message_row_or_event_is_a_value(
    outputs: _Outputs, messages: OutputRecorder, type: str, value: Datum, expected: list[Any]
) -> None:
    assert outputs.write(value, type=type) is None
    assert messages.values == expected


def test_values_are_recorded_before_the_test_asks_for_them(outputs: _Outputs) -> None:
    outputs.write(string("early"))
    assert outputs.doubles.output("SendReceipt", "message").values == ["early"]


@pytest.mark.parametrize(
    ("function", "binding", "found"),
    [
        ("archive", None, ("Archive", "row")),
        ("SendReceipt", "MESSAGE", ("SendReceipt", "message")),
        ("SendReceipt", "$return", ("SendReceipt", "$return")),
    ],
)
def test_an_output_is_found_by_function_and_binding(
    outputs: _Outputs, function: str, binding: str | None, found: tuple[str, str]
) -> None:
    recorder = outputs.doubles.output(function, binding)
    assert (recorder.function, recorder.binding) == found


@pytest.mark.parametrize(
    ("function", "binding", "text"),
    [
        ("SendReceit", None, r"no function with outputs 'SendReceit'.*Did you mean 'SendReceipt'\?"),
        ("SendReceipt", None, r"several outputs: message, \$return\. Name one"),
        ("SendReceipt", "mesage", r"'SendReceipt' has no output 'mesage'.*Did you mean 'message'\?"),
    ],
)
def test_an_unknown_output_is_an_error(outputs: _Outputs, function: str, binding: str | None, text: str) -> None:
    with pytest.raises(LookupError, match=text):
        outputs.doubles.output(function, binding)


def test_a_discarded_value_is_recorded_and_not_written(outputs: _Outputs, messages: OutputRecorder) -> None:
    messages.discards()
    assert outputs.write(string("a")) == Replacement()
    messages.real()
    assert outputs.write(string("b")) is None
    assert messages.values == ["a", "b"]


def test_an_output_can_fail_some_times(outputs: _Outputs, messages: OutputRecorder) -> None:
    messages.fails_with(ConnectionError("no route"), times=1).discards(times=1)
    failed = outputs.write(string("a"))
    assert failed is not None
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ConnectionError", "no route")
    assert failed.error.stack.startswith("  while writing the output binding 'message'\n")
    assert outputs.write(string("a")) == Replacement()
    assert outputs.write(string("a")) is None


def test_a_text_is_the_message_of_a_failed_binding(outputs: _Outputs, messages: OutputRecorder) -> None:
    messages.fails_with("no route")
    failed = outputs.write(string("a"))
    assert failed is not None
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("BindingFailed", "no route")


def test_a_function_of_the_test_gets_the_values(outputs: _Outputs, messages: OutputRecorder) -> None:
    got: list[Any] = []
    messages.runs(got.extend)
    assert outputs.write(json_text("[1, 2]")) == Replacement("null")
    assert got == [1, 2]


def test_other_outputs_of_the_function_are_written(outputs: _Outputs, messages: OutputRecorder) -> None:
    messages.discards()
    assert outputs.write(string("content"), binding="$return", type="blob") is None
    assert messages.values == []


def test_values_can_be_read_as_json(outputs: _Outputs, messages: OutputRecorder) -> None:
    outputs.write(string('{"a": 1}'))
    outputs.write(binary(b"2"))
    outputs.write(json_text("[3]"))
    assert messages.json == [{"a": 1}, 2, 3]


def test_a_value_that_is_not_json_is_shown(outputs: _Outputs, messages: OutputRecorder) -> None:
    outputs.write(string("plain"))
    with pytest.raises(ValueError, match=r"output 'message' of the function 'SendReceipt' is not JSON.*\n.*\n.*plain"):
        _ = messages.json


def test_a_function_of_the_test_cannot_change_what_is_recorded(outputs: _Outputs, messages: OutputRecorder) -> None:
    messages.runs(lambda values: values[0].clear())
    outputs.write(json_text('{"a": 1}'))
    assert messages.values == [{"a": 1}]


def test_values_are_written_after_behaviours_with_limits(outputs: _Outputs, messages: OutputRecorder) -> None:
    messages.discards(times=1).real()
    assert [outputs.write(string("a")), outputs.write(string("b"))] == [Replacement(), None]


def test_assertions_hold(outputs: _Outputs, messages: OutputRecorder) -> None:
    messages.assert_wrote_nothing()
    outputs.write(string(json.dumps({"a": 1})))
    outputs.write(string("text"))
    outputs.write(binary(b"bytes"))
    messages.assert_wrote()
    messages.assert_wrote({"a": 1})
    messages.assert_wrote('{"a": 1}', "bytes")
    messages.assert_wrote({"a": ANY}, b"bytes")
    messages.assert_wrote_exactly({"a": 1}, "text", b"bytes")


FAILURES: list[tuple[list[str], Callable[[OutputRecorder], None], str]] = [
    ([], lambda one: one.assert_wrote(), "expected to get a value, but got none"),
    ([], lambda one: one.assert_wrote(1), "did not get 1.\nIt got no value."),
    (["a"], lambda one: one.assert_wrote("a", "a"), 'did not get "a".\nIt got (1):\n  1. "a"'),
    (
        ['{"a": 1}'],
        lambda one: one.assert_wrote({"a": 2}),
        'got another value (- expected, + actual):\n    {\n  -   "a": 2',
    ),
    (["a"], lambda one: one.assert_wrote_nothing(), "expected to get nothing.\nIt got (1):"),
    (["a", "b"], lambda one: one.assert_wrote_exactly("b", "a"), "got other values (- expected, + actual):"),
    (["a", "b"], lambda one: one.assert_wrote_exactly("a"), '  +   "b"'),
]


@pytest.mark.parametrize(("values", "check", "text"), FAILURES)
def test_a_failed_assertion_shows_the_values(
    outputs: _Outputs, messages: OutputRecorder, values: list[str], check: Callable[[OutputRecorder], None], text: str
) -> None:
    for value in values:
        outputs.write(string(value))
    with pytest.raises(AssertionError) as raised:
        check(messages)
    assert "output 'message' of the function 'SendReceipt'" in str(raised.value)
    assert text in str(raised.value)
