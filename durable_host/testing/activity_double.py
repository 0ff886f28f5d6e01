"""Replaces an activity of the app in a test, and records its calls.

charge = app.activity("charge").fails_with(ConnectionError("no route"), times=2).returns({"receipt": 7})
instance = app.start("checkout", {"amount": 30}).wait()
charge.assert_called_with({"amount": 30})
assert charge.call_count == 3
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec

from durable_host.testing.behaviours import Answer, Behaviours, CodeLanguage, Raised, error_in_place
from durable_host.testing.comparison_text import difference, indented, short_text, value_text
from durable_host.testing.sdk_json import matches, taken
from durable_host.testing.stand_ins import Replacement

__tracebackhide__ = True


class ActivityCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of an activity, with values decoded from their JSON.

    `error` is `Type: message` of a call that failed. `attempt` is 2 for the first retry: it counts the calls of the
    instance with the same input whose predecessor failed. `has_ended` is false while the activity runs.
    """

    input: Any
    output: Any = None
    error: str | None = None
    instance_id: str | None = None
    attempt: int = 1
    has_ended: bool = True


class ActivityDouble:
    """Stands in for one activity. Without any behaviour the app's own function runs, and its calls are recorded.

    Behaviours follow each other in the order in which they are set. One without a limit lasts: what is set after it
    replaces it. The functions of the app get values as JSON has them; so do the doubles.
    """

    __slots__ = ("_behaviours", "_language", "_recorded", "name")

    def __init__(
        self,
        name: str,
        language: CodeLanguage,
        recorded: Callable[[], Sequence[ActivityCall]],
    ) -> None:
        self.name = name
        self._language = language
        self._recorded = recorded
        self._behaviours = Behaviours(language.encode)

    def returns(self, value: Any) -> Self:
        """Return this value to the orchestrator, for every call. Raises TypeError if JSON cannot represent it."""
        self._behaviours.add(Replacement(self._language.encode(value)))
        return self

    def returns_each(self, *values: Any) -> Self:
        """Return one value for each call. The call after the last one fails, unless another behaviour follows.

        Raises TypeError without values, and like `returns`.
        """
        if not values:
            raise TypeError("returns_each needs at least one value.")
        for value in values:
            self._behaviours.add(Replacement(self._language.encode(value)), times=1)
        text = f"The double of '{self.name}' has returned all {len(values)} values of returns_each."
        failure = error_in_place(text, "NoMoreValues")
        self._behaviours.end_with(Replacement(error=failure))
        return self

    def fails_with(self, error: Raised, *, times: int | None = None, type: str | None = None) -> Self:
        """Fail like a function that raises `error`: the orchestrator gets what it gets from its SDK then.

        A text is the message of a general error of the language, or of the error `type`, such as
        `System.TimeoutException`. After `times` failures the next behaviour follows; if there is none, the app's own
        function runs.
        """
        failure = error_in_place(error, self._language.error_type, type)
        self._behaviours.add(Replacement(error=failure), times=times)
        return self

    def runs(self, function: Answer, *, times: int | None = None) -> Self:
        """Call `function` with the input; its result is that of the activity. What it raises fails the activity.

        It may be async. A plain one may use the app, except its time, which stands still until it returns.
        """
        self._behaviours.add(function, times=times)
        return self

    def real(self) -> Self:
        """Run the app's own function again, after the behaviours with limits that were set before."""
        self._behaviours.add(None)
        return self

    @property
    def calls(self) -> list[ActivityCall]:
        """The calls since the last reset, in the order in which they began."""
        return list(self._recorded())

    @property
    def call_count(self) -> int:
        return len(self.calls)

    @property
    def inputs(self) -> list[Any]:
        """The inputs of the calls."""
        return [call.input for call in self.calls]

    def assert_called(self) -> None:
        if not self.calls:
            raise AssertionError(f"The activity '{self.name}' was expected to be called, but it was not.")

    def assert_called_once(self) -> None:
        self._assert_count(1)

    def assert_not_called(self) -> None:
        self._assert_count(0)

    def assert_called_with(self, input: Any) -> None:
        """The last call had this input."""
        self._assert_some_call(input)
        self._assert_equal(input, self.calls[-1].input, "The last call of")

    def assert_called_once_with(self, input: Any) -> None:
        """There was exactly one call, with this input."""
        self._assert_count(1)
        self._assert_equal(input, self.calls[0].input, "The call of")

    def assert_any_call(self, input: Any) -> None:
        """At least one call had this input."""
        self._assert_some_call(input)
        if not any(matches(input, one) for one in self.inputs):
            raise AssertionError(
                f"No call of the activity '{self.name}' had the input {value_text(input)}.\n{self._described()}"
            )

    def assert_has_calls(self, inputs: Sequence[Any], *, any_order: bool = False) -> None:
        """There were calls with these inputs: one directly after the other, or with `any_order` anywhere."""
        expected, found = list(inputs), self.inputs
        if any_order:
            rest = list(found)
            missing = [one for one in expected if not taken(one, rest, matches)]
            if missing:
                raise AssertionError(
                    f"The activity '{self.name}' has no call with {', '.join(map(value_text, missing))}.\n"
                    f"{self._described()}"
                )
            return
        starts = range(len(found) - len(expected) + 1)
        if not any(all(map(matches, expected, found[start:])) for start in starts):
            raise AssertionError(
                f"The activity '{self.name}' has no such calls in a row (- expected, + actual):\n"
                f"{indented(difference(expected, found))}\n{self._described()}"
            )

    async def replacement_of(self, input: Any) -> Replacement | None:
        """What the next call with this input does instead of the app's own function; None if that runs."""
        return await self._behaviours.replacement_of(input)

    def _assert_count(self, count: int) -> None:
        if len(self.calls) != count:
            wanted = {0: "not to be called", 1: "to be called once"}[count]
            raise AssertionError(f"The activity '{self.name}' was expected {wanted}.\n{self._described()}")

    def _assert_some_call(self, input: Any) -> None:
        if not self.calls:
            raise AssertionError(
                f"The activity '{self.name}' was expected to be called with {value_text(input)}, but it was not called."
            )

    def _assert_equal(self, expected: Any, actual: Any, what: str) -> None:
        if not matches(expected, actual):
            raise AssertionError(
                f"{what} the activity '{self.name}' had another input (- expected, + actual):\n"
                f"{indented(difference(expected, actual))}\n{self._described()}"
            )

    def _described(self) -> str:
        calls = self.calls
        if not calls:
            return "It was not called."
        lines = [f"{number}. {_line(call)}" for number, call in enumerate(calls[:_MOST_SHOWN], 1)]
        if len(calls) > _MOST_SHOWN:
            lines.append(f"… and {len(calls) - _MOST_SHOWN} more")
        return f"Its calls ({len(calls)}):\n{indented(chr(10).join(lines))}"


_MOST_SHOWN = 20


def _line(call: ActivityCall) -> str:
    if not call.has_ended:
        outcome = "is still running"
    else:
        outcome = f"failed: {call.error}" if call.error is not None else f"returned {short_text(call.output)}"
    attempt = f" (attempt {call.attempt})" if call.attempt > 1 else ""
    caller = f" for '{call.instance_id}'" if call.instance_id is not None else ""
    return f"{short_text(call.input)}{caller}{attempt} {outcome}"
