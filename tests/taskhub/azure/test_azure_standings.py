"""What a process knows about an instance is forgotten when nothing is owed, but not while somebody waits for it."""

import asyncio

import pytest

from durable_host.durable.taskhub.azure.standing import Standings


async def _is_known(standings: Standings) -> bool:
    async with standings.locked("one") as standing:
        return standings.get("one") is standing


@pytest.mark.parametrize("is_conflict", [False, True], ids=["released", "forgotten"])
async def test_a_commit_that_waits_for_another_writes_on_a_standing_that_is_known(*, is_conflict: bool) -> None:
    standings = Standings()
    async with asyncio.TaskGroup() as group, standings.locked("one"):
        waiting = group.create_task(_is_known(standings))
        await asyncio.sleep(0)
        if is_conflict:
            standings.forget("one")
    assert waiting.result()
    assert len(standings) == 0
