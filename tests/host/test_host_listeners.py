"""Listeners over reloads: equal ones continue, the others end gracefully."""

import asyncio

from durable_host.host.listeners import Listeners, PlannedListener


class Listening:
    """A listener that records what happens to it; `busy` keeps it from ending."""

    def __init__(self, log: list[str], name: str) -> None:
        self._log = log
        self._name = name
        self._stopped = asyncio.Event()
        self.busy = asyncio.Event()
        self.busy.set()

    async def listen(self) -> None:
        self._log.append(f"{self._name} listens")
        await self._stopped.wait()
        await self.busy.wait()
        self._log.append(f"{self._name} ends")

    def stop(self) -> None:
        self._stopped.set()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_listener_with_an_equal_key_continues_and_others_are_replaced() -> None:
    log: list[str] = []
    kept, gone, new = Listening(log, "kept"), Listening(log, "gone"), Listening(log, "new")
    listeners = Listeners()
    listeners.replace([PlannedListener("a", {"queue": 1}, kept), PlannedListener("b", 1, gone)])
    await turns()
    never = Listening(log, "never")
    listeners.replace([PlannedListener("a", {"queue": 1}, never), PlannedListener("b", 2, new)])
    await turns()
    assert log[:2] == ["kept listens", "gone listens"]
    assert sorted(log[2:]) == ["gone ends", "new listens"]
    await listeners.stop(1)
    assert sorted(log[4:]) == ["kept ends", "new ends"]


async def test_an_exclusive_listener_waits_for_its_predecessor_and_others_do_not() -> None:
    log: list[str] = []
    listeners = Listeners()
    olds = [Listening(log, "old timer"), Listening(log, "old queue")]
    for old in olds:
        old.busy.clear()
    pairs = zip(("timer", "queue"), olds, strict=True)
    listeners.replace([PlannedListener(name, 1, old, name == "timer") for name, old in pairs])
    await turns()
    news = [PlannedListener(name, 2, Listening(log, f"new {name}"), name == "timer") for name in ("timer", "queue")]
    listeners.replace(news)
    await turns()
    assert log[2:] == ["new queue listens"]
    olds[0].busy.set()
    await turns()
    assert log[3:] == ["old timer ends", "new timer listens"]
    await listeners.stop(0)


async def test_what_does_not_end_in_time_is_cut_off() -> None:
    log: list[str] = []
    busy = Listening(log, "busy")
    busy.busy.clear()
    listeners = Listeners()
    listeners.replace([PlannedListener("a", 1, busy)])
    await turns()
    listeners.replace([])
    await listeners.stop(0)
    assert log == ["busy listens"]
