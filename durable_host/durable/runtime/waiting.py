"""Waiting for an event or for the clock, whichever comes first."""

import asyncio
from contextlib import suppress

from durable_host.clock import Clock


async def wait_for_event(event: asyncio.Event, clock: Clock, seconds: float) -> bool:
    """Wait at most `seconds` of `clock` for `event`; True when it is set."""
    if event.is_set():
        return True
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        for wait in waits:
            with suppress(asyncio.CancelledError):
                await wait
    return event.is_set()
