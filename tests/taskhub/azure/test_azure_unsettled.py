"""What a process knows about an instance is forgotten when nothing is owed, but not while somebody waits for it."""

import asyncio

import pytest

from durable_host.durable.taskhub.azure.unsettled import UnsettledInstances


async def _is_known(unsettled: UnsettledInstances) -> bool:
    async with unsettled.locked("one") as instance:
        return unsettled.get("one") is instance


@pytest.mark.parametrize("is_conflict", [False, True], ids=["released", "forgotten"])
async def test_a_commit_that_waits_for_another_writes_on_an_instance_that_is_known(*, is_conflict: bool) -> None:
    unsettled = UnsettledInstances()
    async with asyncio.TaskGroup() as group, unsettled.locked("one"):
        waiting = group.create_task(_is_known(unsettled))
        await asyncio.sleep(0)
        if is_conflict:
            unsettled.forget("one")
    assert waiting.result()
    assert len(unsettled) == 0
