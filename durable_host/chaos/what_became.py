"""What became of the instances that faults happened to."""

import asyncio
from collections.abc import Iterable

from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHub

_MOST_NAMED = 5


async def what_became(instance_ids: Iterable[str], hub: TaskHub) -> str:
    """Return one sentence. It names the instances that have not completed. Raises TaskHubUnavailable."""
    reads = [hub.get_instance(one, fetch_input=False, fetch_output=False) for one in instance_ids]
    states = await asyncio.gather(*reads)
    found: dict[OrchestrationStatus, list[str]] = {}
    for state in filter(None, states):
        found.setdefault(state.runtime_status, []).append(state.instance_id)
    parts = [_part(status, found[status]) for status in sorted(found, key=lambda one: one is not _GOOD)]
    if missing := states.count(None):
        parts.append(f"{missing} not in the hub")
    return f"Faults happened to {len(states)} instance{'' if len(states) == 1 else 's'}: {', '.join(parts)}."


_GOOD = OrchestrationStatus.Completed


def _part(status: OrchestrationStatus, ids: list[str]) -> str:
    if status is _GOOD:
        return f"{len(ids)} Completed"
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return f"{len(ids)} {status.name} ({', '.join(repr(one) for one in ids[:_MOST_NAMED])}{more})"
