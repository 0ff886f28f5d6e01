"""Invalid queue messages: the golden ones with members replaced, and plain garbage."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parent / "golden" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
]


def nested(levels: int) -> Any:
    """An object in an object in an object."""
    value: Any = {}
    for _ in range(levels):
        value = {"InnerFailure": value, "a": [value] if levels < 5 else 1}
    return value


STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**31,
    -(2**31) - 1,
    2**63,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "x",
    "x" * 5_000,
    "x" * 40_000,
    "\ud800",
    "a\x00b",
    "@",
    "@counter",
    "@counter@1",
    "..",
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59.9999999-05:00",
    "2024-05-01T12:30:45Z",
    [],
    [1],
    {},
    {"$type": "No.Such.Type"},
    {"InstanceId": "\udfff", "ExecutionId": 5},
    {"k": 5},
    nested(4),
    nested(200),
    {"Properties": {"a": 10**30, "b": nested(90)}, "InnerFailure": "x"},
]


def paths(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to each member of an object, and of the objects in it."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*at, name)
            yield from paths(member, (*at, name))


def changed(message: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A copy with one member replaced; `...` leaves it out."""
    message = place = dict(message)
    for name in path[:-1]:
        place[name] = place = dict(place[name])
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return message


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A golden message with one or two members replaced or left out."""
    message = draw(st.sampled_from(GOLDEN))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(paths(message))))
        message = changed(message, path, draw(st.sampled_from([..., *STRANGE])))
    return json.dumps(message)


def any_text() -> st.SearchStrategy[str]:
    """Whatever may lie in a queue."""
    rubbish = st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
    return st.one_of(mutated(), st.text(max_size=200), rubbish)
