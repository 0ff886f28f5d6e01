"""A search among the orchestrations of a hub, sorted and filtered as people want to see them."""

from typing import Literal

import msgspec

from durable_host.durable.model.instance import InstanceState
from durable_host.durable.model.status import OrchestrationStatus

SortKey = Literal["created", "updated", "duration", "name", "id", "status"]
SortValue = int | str


class InstanceSearch(msgspec.Struct, frozen=True, kw_only=True):
    """The filter and the order of a search. Entities are not in it. Times are ticks; empty `statuses` means all.

    `name` is part of the orchestrator's name, `text` part of the input, the output or the custom status; neither is
    case-sensitive. The duration of an instance that has not ended lasts until `now`. The page begins after the pair
    `after` of a sort value and an ID.
    """

    statuses: frozenset[OrchestrationStatus] = frozenset()
    name: str = ""
    id_prefix: str = ""
    created_from: int | None = None
    created_to: int | None = None
    text: str = ""
    sort: SortKey = "created"
    descending: bool = True
    now: int = 0
    after: tuple[SortValue, str] | None = None
    top: int = 50


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page. `counts` has the numbers of all matching instances by status, whatever `statuses` says.

    States have no input, and an output only if they have failed: its beginning. `after` is where the next page begins;
    None on the last page.
    """

    instances: list[InstanceState]
    counts: dict[OrchestrationStatus, int]
    after: tuple[SortValue, str] | None = None


def spellings(text: str) -> tuple[str, ...]:
    """Return how a text may occur in JSON, in lower case: unchanged, and with non-ASCII letters escaped."""
    escaped = "".join(_escaped(one) for one in text)
    return (text.lower(), escaped.lower()) if escaped != text else (text.lower(),)


def _escaped(character: str) -> str:
    if character.isascii():
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2))
