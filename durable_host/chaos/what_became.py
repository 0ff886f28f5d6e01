"""What became of the instances that faults happened to."""

import asyncio
from collections.abc import Iterable

from durable_host.durable.model.status import OrchestrationStatus
from durable_host.durable.taskhub.port import TaskHub

_MOST_NAMED = 5


async def what_became(instance_ids: Iterable[str], hub: TaskHub) -> str:
    """Return one sentence. It names the instances that have not completed. Raises TaskHubUnavailable."""
    reads = [hub.get_instance(one, fetch_input=False, fetch_output=False) for one in instance_ids]
    found: dict[OrchestrationStatus, list[str]] = {}
    for state in filter(None, await asyncio.gather(*reads)):
        found.setdefault(state.runtime_status, []).append(state.instance_id)
    total = sum(len(ids) for ids in found.values())
    parts = [_part(status, found[status]) for status in sorted(found, key=lambda one: one is not _GOOD)]
    return (
        f"Faults happened to {total} instance{'' if total == 1 else 's'}: {', '.join(parts) or 'none exists any more'}."
    )


_GOOD = OrchestrationStatus.Completed


def _part(status: OrchestrationStatus, ids: list[str]) -> str:
    if status is _GOOD:
        return f"{len(ids)} Completed"
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return f"{len(ids)} {status.name} ({', '.join(repr(one) for one in ids[:_MOST_NAMED])}{more})"
