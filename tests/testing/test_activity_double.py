"""What the double of an activity does, and what it says about its calls; without an app."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from durable_host.testing.activity_double import ActivityDouble
from durable_host.testing.behaviours import CodeLanguage
from durable_host.testing.doubles import DoubleNames, Doubles, language_of
from durable_host.testing.loop_thread import LoopThread
from durable_host.testing.sdk_json import plain_json, typed_json
from durable_host.testing.stand_ins import ActivityRun, Replacement

PYTHON = CodeLanguage(typed_json, "Exception")
NAMES = DoubleNames({"charge": "charge_card", "mail": "mail"}, {})


class _Calls:
    """An orchestrator that calls activities of `doubles`; the app's own functions return `real`."""

    def __init__(self, language: CodeLanguage = PYTHON) -> None:
        self.doubles = Doubles(NAMES, language)
        self._count = 0

    def call(self, input: str = "1", *, instance: str | None = "i", function: str = "charge_card") -> str:
        """What the orchestrator gets: JSON text, or the text of the error."""
        return asyncio.run(self._call(input, instance, function))

    async def _call(self, input: str, instance: str | None, function: str) -> str:
        self._count += 1
        run_id = str(self._count)
        run = ActivityRun(run_id=run_id, function=function, input=input, instance_id=instance)
        replacement = await self.doubles.activity_begins(run) or Replacement('"real"')
        error = replacement.error
        text = None if error is None else f"{error.type}: {error.message}"
        await self.doubles.activity_ended(run_id, replacement.result, text)
        return text or replacement.result or ""


@pytest.fixture
def calls() -> _Calls:
    return _Calls()


@pytest.fixture
def charge(calls: _Calls) -> ActivityDouble:
    return calls.doubles.activity("charge")


def test_without_a_behaviour_the_apps_own_function_runs_and_is_recorded(calls: _Calls, charge: ActivityDouble) -> None:
    assert calls.call('{"amount": 3}') == '"real"'
    (call,) = charge.calls
    assert (call.input, call.output, call.error, call.instance_id) == ({"amount": 3}, "real", None, "i")
    assert call.has_ended


def test_calls_are_recorded_before_the_test_asks_for_the_double(calls: _Calls) -> None:
    calls.call("7", function="mail")
    assert calls.doubles.activity("mail").inputs == [7]


@pytest.mark.parametrize("name", ["charge", "CHARGE", "charge_card"])
def test_an_activity_has_its_durable_name_and_that_of_its_function(calls: _Calls, name: str) -> None:
    assert calls.doubles.activity(name) is calls.doubles.activity("charge")


def test_an_unknown_activity_is_an_error_with_the_names(calls: _Calls) -> None:
    with pytest.raises(LookupError, match=r"no activity 'charg'; it has charge, mail\. Did you mean 'charge'\?"):
        calls.doubles.activity("charg")


def test_a_value_is_returned_for_every_call(calls: _Calls, charge: ActivityDouble) -> None:
    charge.returns({"receipt": 7})
    assert [calls.call(), calls.call()] == ['{"receipt": 7}'] * 2


def test_one_value_is_returned_for_each_call(calls: _Calls, charge: ActivityDouble) -> None:
    charge.returns_each(1, 2).returns(3)
    assert [calls.call() for _ in range(4)] == ["1", "2", "3", "3"]


def test_a_call_after_the_last_value_fails(calls: _Calls, charge: ActivityDouble) -> None:
    charge.returns_each(1)
    calls.call()
    assert calls.call() == "NoMoreValues: The double of 'charge' has returned all 1 values of returns_each."


@pytest.mark.parametrize(
    ("error", "type", "text"),
    [
        (ValueError("too much"), None, "ValueError: too much"),
        ("too much", None, "Exception: too much"),
        ("late", "TimeoutException", "TimeoutException: late"),
        (ValueError("late"), "TimeoutException", "TimeoutException: late"),
    ],
)
def test_an_error_has_type_and_message(
    calls: _Calls, charge: ActivityDouble, error: Exception | str, type: str | None, text: str
) -> None:
    charge.fails_with(error, type=type)
    assert calls.call() == text
    assert charge.calls[0].error == text


def test_the_traceback_of_an_error_shows_the_line_of_the_test(charge: ActivityDouble) -> None:
    charge.fails_with(ValueError("too much"))
    replacement = asyncio.run(charge.replacement_of(None))
    assert replacement is not None
    assert replacement.error is not None
    assert 'charge.fails_with(ValueError("too much"))' in replacement.error.stack
    assert replacement.error.stack.endswith("\nValueError: too much")


def test_after_some_failures_the_next_behaviour_follows(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with(ValueError("x"), times=2).returns(1)
    assert [calls.call() for _ in range(4)] == ["ValueError: x", "ValueError: x", "1", "1"]


def test_after_some_failures_the_apps_own_function_runs(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with("x", times=1)
    assert [calls.call(), calls.call()] == ["Exception: x", '"real"']


def test_a_later_behaviour_replaces_one_that_lasts(calls: _Calls, charge: ActivityDouble) -> None:
    charge.returns(1)
    calls.call()
    charge.returns(2)
    assert calls.call() == "2"


def test_the_apps_own_function_can_be_restored(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with("x", times=3).returns(1)
    charge.real()
    assert calls.call() == '"real"'


def test_the_apps_own_function_follows_behaviours_with_limits(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with("x", times=1).returns_each(1).real()
    assert [calls.call() for _ in range(4)] == ["Exception: x", "1", '"real"', '"real"']


def test_a_class_of_errors_is_raised_as_python_does(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with(TimeoutError)
    assert calls.call() == "TimeoutError: "


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (lambda charge: charge.fails_with(None), "fails_with needs an exception or a text, not None"),
        (lambda charge: charge.runs(5), "runs needs a function, not 5"),
        (lambda charge: charge.returns_each(), "returns_each needs at least one value"),
    ],
)
def test_a_behaviour_that_makes_no_sense_is_refused_where_it_is_set(
    charge: ActivityDouble, behaviour: Callable[[Any], object], told: str
) -> None:
    with pytest.raises(TypeError, match=told):
        behaviour(charge)


@pytest.mark.parametrize("name", ["return_value", "side_effect"])
def test_the_attributes_of_mocks_are_refused(charge: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        setattr(charge, name, 5)


def test_a_function_of_the_test_cannot_change_what_is_recorded(calls: _Calls, charge: ActivityDouble) -> None:
    charge.runs(lambda order: order.pop("amount"))
    assert calls.call('{"amount": 3}') == "3"
    charge.assert_called_once_with({"amount": 3})


@pytest.mark.parametrize("times", [0, -1])
def test_a_behaviour_happens_at_least_once(charge: ActivityDouble, times: int) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        charge.fails_with("x", times=times)


async def _doubled(value: int) -> int:
    return 2 * value


@pytest.mark.parametrize("function", [lambda value: 2 * value, _doubled])
def test_a_function_of_the_test_replaces_the_activity(
    calls: _Calls, charge: ActivityDouble, function: Callable[[int], Any]
) -> None:
    charge.runs(function)
    assert calls.call("21") == "42"


def _decline(amount: int) -> None:
    raise PermissionError(f"no {amount}")


async def _decline_later(amount: int) -> None:
    _decline(amount)


@pytest.mark.parametrize(
    ("function", "frames"), [(_decline, ["in _decline"]), (_decline_later, ["in _decline_later", "in _decline"])]
)
def test_what_the_function_raises_fails_the_activity(
    calls: _Calls, charge: ActivityDouble, function: Callable[[int], Any], frames: list[str]
) -> None:
    charge.runs(function)
    assert calls.call("3") == "PermissionError: no 3"
    replacement = asyncio.run(charge.replacement_of(3))
    assert replacement is not None
    assert replacement.error is not None
    stack = replacement.error.stack
    assert [line.partition(", ")[2].partition(", ")[2] for line in stack.splitlines() if "File" in line] == frames


def test_an_async_function_must_not_call_the_app(charge: ActivityDouble) -> None:
    thread = LoopThread("app")

    async def calls_back(_: Any) -> None:
        thread.run(asyncio.sleep(0))

    charge.runs(calls_back)
    replacement = thread.run(charge.replacement_of(3))
    assert replacement is not None
    assert replacement.error is not None
    assert "which cannot call the app. Use a plain one." in replacement.error.message
    thread.close()


@dataclass
class _Order:
    amount: int


class _Card:
    def __init__(self, number: str) -> None:
        self.number = number

    @staticmethod
    def to_json(card: "_Card") -> str:
        return card.number


def test_custom_objects_of_1x_say_what_they_are(calls: _Calls, charge: ActivityDouble) -> None:
    charge.returns(_Card("4111"))
    assert calls.call() == '{"__class__": "_Card", "__module__": "test_activity_double", "__data__": "4111"}'


@pytest.mark.parametrize(("value", "text"), [(_Card("4111"), '"4111"'), (_Order(3), '{"amount": 3}')])
def test_custom_objects_of_2x_are_plain(value: object, text: str) -> None:
    calls = _Calls(CodeLanguage(plain_json, "Exception"))
    calls.doubles.activity("charge").returns(value)
    assert calls.call() == text


@pytest.mark.parametrize("value", [object(), {"when": object()}])
def test_a_value_that_json_does_not_have_is_refused_where_it_is_given(charge: ActivityDouble, value: object) -> None:
    with pytest.raises(TypeError, match="JSON cannot represent a value of the type object"):
        charge.returns(value)


@pytest.mark.parametrize(
    ("runtime", "versions", "error_type", "encode"),
    [
        ("python", {"azure-functions-durable": "1.7.0"}, "Exception", typed_json),
        ("python", {"azure-functions-durable": "2.0.0"}, "Exception", plain_json),
        ("node", {}, "Error", plain_json),
        ("dotnet-isolated", {}, "System.Exception", plain_json),
    ],
)
def test_each_language_has_its_general_error(
    runtime: str, versions: dict[str, str], error_type: str, encode: Callable[[Any], str]
) -> None:
    language = language_of(runtime, versions)
    assert (language.encode, language.error_type) == (encode, error_type)


def test_retries_are_counted_as_attempts(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with("x", times=2).returns(1)
    for _ in range(3):
        calls.call("1")
    calls.call("1")
    assert [call.attempt for call in charge.calls] == [1, 2, 3, 1]


def test_calls_of_other_instances_and_inputs_are_not_retries(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with("x")
    calls.call("1")
    calls.call("2")
    calls.call("1", instance="j")
    calls.call("1", instance=None)
    assert [call.attempt for call in charge.calls] == [1, 1, 1, 1]


def test_assertions_hold(calls: _Calls, charge: ActivityDouble) -> None:
    charge.assert_not_called()
    calls.call('{"amount": 1, "id": "a"}')
    charge.assert_called()
    charge.assert_called_once()
    charge.assert_called_once_with({"id": "a", "amount": 1})
    charge.assert_called_with({"amount": 1, "id": ANY})
    calls.call("2")
    calls.call("3")
    charge.assert_any_call({"amount": 1, "id": "a"})
    charge.assert_has_calls([2, 3])
    charge.assert_has_calls([3, ANY], any_order=True)


def test_an_input_equals_the_object_that_was_sent(calls: _Calls, charge: ActivityDouble) -> None:
    calls.call('{"__class__": "_Card", "__module__": "test_activity_double", "__data__": "4111"}')
    charge.assert_called_with(_Card("4111"))
    calls.call('{"amount": 3}')
    charge.assert_called_with(_Order(3))
    calls.call("[1, 2]")
    charge.assert_called_with((1, 2))


FAILURES: list[tuple[list[str], Callable[[ActivityDouble], None], str]] = [
    ([], lambda one: one.assert_called(), "'charge' was expected to be called, but it was not"),
    ([], lambda one: one.assert_called_with({"a": 1}), 'called with {"a": 1}, but it was not called'),
    ([], lambda one: one.assert_called_once(), "expected to be called once.\nIt was not called."),
    (["1"], lambda one: one.assert_not_called(), "expected not to be called.\nIts calls (1):\n  1. 1 for 'i' returned"),
    (["1", "2"], lambda one: one.assert_called_once_with(1), "called once.\nIts calls (2):\n  1. 1 for 'i'"),
    (['{"a": 1}'], lambda one: one.assert_called_with({"a": 2}), '  -   "a": 2\n'),
    (['{"a": 1}'], lambda one: one.assert_called_with({"a": 2}), '  +   "a": 1\n'),
    (["1", "2"], lambda one: one.assert_any_call(3), "had the input 3.\nIts calls (2):"),
    (["1", "2", "3"], lambda one: one.assert_has_calls([1, 3]), "no such calls in a row"),
    (["1"], lambda one: one.assert_has_calls([1, 1], any_order=True), "has no call with 1."),
]


@pytest.mark.parametrize(("inputs", "check", "text"), FAILURES)
def test_a_failed_assertion_shows_the_calls(
    calls: _Calls, charge: ActivityDouble, inputs: list[str], check: Callable[[ActivityDouble], None], text: str
) -> None:
    for one in inputs:
        calls.call(one)
    with pytest.raises(AssertionError) as raised:
        check(charge)
    assert text in str(raised.value)
    assert raised.traceback.filter(raised)[-1].path == Path(__file__), "the report ends in the test"


def test_failures_are_shown_with_their_attempts(calls: _Calls, charge: ActivityDouble) -> None:
    charge.fails_with(ValueError("x"), times=2)
    calls.call("5")
    calls.call("5")
    with pytest.raises(AssertionError) as raised:
        charge.assert_called_once()
    assert "2. 5 for 'i' (attempt 2) failed: ValueError: x" in str(raised.value)


def test_only_the_first_calls_of_many_are_shown(calls: _Calls, charge: ActivityDouble) -> None:
    for number in range(25):
        calls.call(str(number))
    with pytest.raises(AssertionError, match="and 5 more"):
        charge.assert_not_called()
