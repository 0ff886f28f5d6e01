"""Asks the process of the test what replaces an activity or an output of the app in this process."""

import asyncio
from typing import Any

from durable_host.testing.live.call_channel import CallChannel, ChannelClosed
from durable_host.testing.stand_ins import ActivityRun, OutputWrite, Replacement


class RemoteStandIns:
    """Implements `StandIns`. Nothing is replaced or recorded while there is no `channel` to a test."""

    def __init__(self) -> None:
        self.channel: CallChannel | None = None

    async def activity_begins(self, run: ActivityRun) -> Replacement | None:
        return await self._ask("activity_begins", run)

    async def activity_ended(self, run_id: str, output: str | None, error: str | None) -> None:
        await self._ask("activity_ended", run_id, output, error)

    async def output_written(self, write: OutputWrite) -> Replacement | None:
        return await self._ask("output_written", write)

    async def _ask(self, name: str, *arguments: Any) -> Any:
        if self.channel is None:
            return None
        try:
            return await asyncio.wrap_future(self.channel.call(name, *arguments))
        except ChannelClosed:  # the test has ended, and so does this process
            return None
