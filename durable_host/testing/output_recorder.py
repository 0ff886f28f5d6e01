"""Records what a function writes through an output binding in a test, and replaces the writing.

receipts = app.output("SendReceipt", "message").discards()
app.client.post("/api/orders", json={"amount": 30})
receipts.assert_wrote({"amount": 30})
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, Self, cast

import msgspec

from durable_host.invocation.datum import Datum
from durable_host.testing.behaviours import Answer, Behaviours, Raised, error_in_place, line_of_test
from durable_host.testing.comparison_text import difference, indented, short_text, value_text
from durable_host.testing.json_values import value_of
from durable_host.testing.sdk_json import matches, taken
from durable_host.testing.stand_ins import Replacement

__tracebackhide__ = True

_NOT_SPLIT = frozenset({"blob"})
"""Types for which a list is one value; the others write one message, row or event for each element."""


class OutputRecorder:
    """Records the values of one output binding; they are still written, unless the test says something else.

    Behaviours follow each other in the order in which they are set. One without a limit lasts: what is set after it
    replaces it.
    """

    __slots__ = ("_behaviours", "_recorded", "binding", "function")

    def __init__(self, function: str, binding: str, recorded: Callable[[], Sequence[Any]]) -> None:
        self.function = function
        self.binding = binding
        self._recorded = recorded
        self._behaviours = Behaviours(lambda _: "null")

    def discards(self, *, times: int | None = None) -> Self:
        """Record the values, and write nothing. It works for services too that the host does not have."""
        self._behaviours.add(Replacement(), times=times)
        return self

    def fails_with(self, error: Raised, *, times: int | None = None, type: str | None = None) -> Self:
        """Fail the call of the function, as when its output cannot be written, although its code has succeeded."""
        failure = error_in_place(error, _GENERAL_ERROR, type)
        stack = f"  while writing the output binding '{self.binding}'\n{line_of_test()}".rstrip()
        failure = msgspec.structs.replace(failure, stack=stack)
        self._behaviours.add(Replacement(error=failure), times=times)
        return self

    def runs(self, function: Answer, *, times: int | None = None) -> Self:
        """Call `function` with the list of values instead of writing them. What it raises fails the call.

        It may be async. A plain one may use the app, except its time, which stands still until it returns.
        """
        self._behaviours.add(function, times=times)
        return self

    def real(self) -> Self:
        """Write the values again, after the behaviours with limits that were set before."""
        self._behaviours.add(None)
        return self

    @property
    def values(self) -> list[Any]:
        """The values since the last reset: one for each message, row, event or blob.

        Text and bytes are unchanged, JSON is decoded.
        """
        return list(self._recorded())

    @property
    def json(self) -> list[Any]:
        """The values, with texts and bytes decoded as JSON. Raises ValueError if one is not JSON."""
        return [self._decoded(value) if isinstance(value, str | bytes) else value for value in self.values]

    def assert_wrote(self, *expected: Any) -> None:
        """Each of these values was written. A text that is JSON equals its text and its decoded value."""
        rest = self.values
        missing = [one for one in expected if not taken(one, rest, _is_value)]
        if len(missing) == len(rest) == 1:
            raise AssertionError(
                f"The {self._name} got another value (- expected, + actual):\n"
                f"{indented(difference(missing[0], _alike(rest[0], missing[0])))}\n{self._described()}"
            )
        if missing:
            texts = ", ".join(map(value_text, missing))
            raise AssertionError(f"The {self._name} did not get {texts}.\n{self._described()}")
        if not expected and not rest:
            raise AssertionError(f"The {self._name} was expected to get a value, but got none.")

    def assert_wrote_exactly(self, *expected: Any) -> None:
        """These values were written, in this order, and no others."""
        found = self.values
        if len(found) != len(expected) or not all(map(_is_value, expected, found)):
            raise AssertionError(
                f"The {self._name} got other values (- expected, + actual):\n"
                f"{indented(difference(list(expected), found))}"
            )

    def assert_wrote_nothing(self) -> None:
        if self.values:
            raise AssertionError(f"The {self._name} was expected to get nothing.\n{self._described()}")

    async def replacement_of(self, values: Sequence[Any]) -> Replacement | None:
        """What happens instead of writing these values; None if they are written."""
        return await self._behaviours.replacement_of(list(values))

    def _decoded(self, value: str | bytes) -> Any:
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"A value of the {self._name} is not JSON: {error}.\n{self._described()}") from None

    @property
    def _name(self) -> str:
        return f"output '{self.binding}' of the function '{self.function}'"

    def _described(self) -> str:
        values = self.values
        if not values:
            return "It got no value."
        lines = "\n".join(f"{number}. {short_text(value)}" for number, value in enumerate(values, 1))
        return f"It got ({len(values)}):\n{indented(lines)}"


_GENERAL_ERROR = "BindingFailed"


def values_of(type: str, datum: Datum) -> list[Any]:
    """The values in what a function has set, for a binding of this type."""
    if datum.kind in ("collection_string", "collection_bytes"):
        return list(datum.value)
    splits = type.lower() not in _NOT_SPLIT
    is_array_text = splits and datum.kind == "string" and datum.value.strip().startswith("[")
    value: Any = value_of(datum.value) if datum.kind == "json" or is_array_text else datum.value
    return cast("list[Any]", value) if splits and isinstance(value, list) else [value]


def _alike(actual: Any, expected: Any) -> Any:
    """The value for a comparison with `expected`: a text that is JSON is decoded if `expected` is no text."""
    return actual if isinstance(expected, str | bytes) or not isinstance(actual, str) else value_of(actual)


def _is_value(expected: Any, actual: Any) -> bool:
    if matches(expected, actual):
        return True
    if isinstance(actual, bytes):
        actual = actual.decode("utf-8", "replace")
        if expected == actual:
            return True
    return isinstance(actual, str) and not isinstance(expected, str | bytes) and matches(expected, value_of(actual))
