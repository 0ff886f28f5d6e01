"""The threads of the worker in which plain functions and orchestrators run."""

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from durable_host.worker.call_threads import CallThreads

Make = Callable[[int], CallThreads]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[CallThreads] = []

    def threads(limit: int) -> CallThreads:
        made.append(CallThreads(limit, "call"))
        return made[-1]

    yield threads
    for one in made:
        one.end(10)


def name() -> str:
    return threading.current_thread().name


def test_calls_of_one_thread_run_in_order(make: Make) -> None:
    threads, seen = make(1), list[int]()
    for number in range(20):
        threads.run(lambda number=number: seen.append(number))
    assert threads.result_of(lambda: list(seen)).result(10) == list(range(20))


def test_thread_that_is_free_is_used_again(make: Make) -> None:
    threads = make(10)
    first = threads.result_of(name).result(10)
    names = {threads.result_of(name).result(10) for _ in range(5)}
    assert first == "call_0"
    assert len(names | {first}) <= 2  # the first one may not have been free yet


def test_calls_run_at_the_same_time_up_to_the_limit(make: Make) -> None:
    threads = make(3)
    together = threading.Barrier(4)
    running = [threads.result_of(lambda: (together.wait(10), name())[1]) for _ in range(3)]
    waiting = threads.result_of(name)
    assert not waiting.done()
    together.wait(10)
    names = {one.result(10) for one in running}
    assert names == {"call_0", "call_1", "call_2"}
    assert waiting.result(10) in names


def test_failing_call_is_printed_and_ends_no_thread(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    threads = make(1)

    def fail() -> None:
        raise ValueError("not like this")

    threads.run(fail)
    assert threads.result_of(name).result(10) == "call_0"
    assert "ValueError: not like this" in capsys.readouterr().err


def test_error_of_a_call_is_that_of_its_future(make: Make) -> None:
    def end() -> None:
        raise SystemExit(3)

    assert isinstance(make(1).result_of(end).exception(10), SystemExit)


def test_future_that_is_cancelled_in_time_does_not_run(make: Make) -> None:
    threads, go_on, seen = make(1), threading.Event(), list[str]()
    busy = threads.result_of(lambda: go_on.wait(10))
    late = threads.result_of(lambda: seen.append("ran"))
    assert late.cancel()
    go_on.set()
    assert busy.result(10)
    assert threads.result_of(lambda: list(seen)).result(10) == []


def test_error_of_a_call_keeps_nothing_alive(make: Make) -> None:
    threads = make(1)

    def fail() -> None:
        raise ValueError("not like this")

    gc.disable()
    try:
        result = threads.result_of(fail)
        assert isinstance(result.exception(10), ValueError)
        threads.result_of(name).result(10)
        gone = weakref.ref(result)
        del result
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("starter_is_daemon", [True, False])
def test_threads_are_daemons_whoever_starts_them(make: Make, starter_is_daemon: bool) -> None:
    threads, found = make(1), list[bool]()

    def ask() -> None:
        found.append(threads.result_of(lambda: threading.current_thread().daemon).result(10))

    starter = threading.Thread(target=ask, daemon=starter_is_daemon)
    starter.start()
    starter.join(10)
    assert found == [True]


def test_default_limit_counts_the_processors_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 20)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 1, raising=False)
    threads, go_on = CallThreads(None, "by-processors"), threading.Event()
    for _ in range(10):
        threads.run(lambda: go_on.wait(10))
    started = [thread for thread in threading.enumerate() if thread.name.startswith("by-processors")]
    go_on.set()
    threads.end(10)
    assert len(started) == 5


def test_end_waits_for_the_calls() -> None:
    threads, seen = CallThreads(2, "call"), list[int]()
    for number in range(50):
        threads.run(lambda number=number: seen.append(number))
    threads.end(10)
    assert sorted(seen) == list(range(50))


def test_end_does_not_wait_forever(make: Make) -> None:
    threads, go_on = make(1), threading.Event()
    call = threads.result_of(lambda: go_on.wait(10))
    threads.end(0.01)
    assert not call.done()
    go_on.set()
