"""Runs the simulation: `make simulate SEEDS=10000` on all cores, `make simulate SEED=123` one seed with its requests.

`MUTATIONS=1` breaks the product in one way after another and tells with which seed each is found.
"""

import os
import sys
from pathlib import Path

if __name__ == "__main__" and os.environ.get("PYTHONHASHSEED") != "0":
    # The order of sets decides which task runs first.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})

sys.path.append(str(Path(__file__).parents[1]))

import argparse
import gc
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import fast_start  # noqa: F401 - the SDK would import openai-agents
from mutations import MUTATIONS
from simulated_world import Outcome
from simulation import simulate

NOW = time.monotonic
TOLD_EVERY = 10.0
_SHOWN = 8
_CHUNK = 4

RunAll = Callable[[Iterable[tuple[int, str | None]]], Iterator[Outcome]]
"""Runs seeds, each with a mutation or none, in some processes or in this one."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone and print its requests")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--most-failures", type=int, default=5, help="stop after so many")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="break the product in this way")
    parser.add_argument("--mutations", nargs="*", metavar="NAME", help="break it in these ways, or in all, and look")
    given = parser.parse_args()
    if given.seed is not None:
        return _one(given.seed, given.mutation)
    seeds = range(given.first, given.first + given.seeds)
    mutations = None if given.mutations is None else given.mutations or list(MUTATIONS)

    def work(run_all: RunAll) -> int:
        if mutations is not None:
            return _find_mutations(run_all, seeds, mutations)
        return _many(run_all, seeds, given.mutation, given.most_failures)

    if given.jobs == 1:
        return work(partial(map, run_seed))
    with ProcessPoolExecutor(given.jobs, mp_context=multiprocessing.get_context("forkserver")) as pool:
        try:
            return work(partial(pool.map, run_seed, chunksize=_CHUNK))
        finally:
            pool.shutdown(cancel_futures=True)


def run_seed(given: tuple[int, str | None]) -> Outcome:
    """One seed. It leaves little garbage: the collector need not look for it as often as usual."""
    gc.set_threshold(200_000, 100, 100)
    return simulate(given[0], mutation=given[1])


def _one(seed: int, mutation: str | None) -> int:
    outcome = simulate(seed, traces=True, mutation=mutation)
    print("\n".join(outcome.trace))
    print(outcome.plan)
    print(_verdict(outcome))
    print(
        f"{outcome.requests} requests, {outcome.faults} faults, {outcome.deaths} kills, "
        f"{outcome.virtual_seconds:.0f} s of virtual time"
    )
    return 1 if outcome.problems else 0


def _outcomes(run_all: RunAll, seeds: range, mutation: str | None) -> Iterator[Outcome]:
    return run_all([(seed, mutation) for seed in seeds])


def _many(run_all: RunAll, seeds: range, mutation: str | None, most_failures: int) -> int:
    began = told = NOW()
    failed: list[int] = []
    done = requests = faults = kills = 0
    for outcome in _outcomes(run_all, seeds, mutation):
        done += 1
        requests, faults, kills = requests + outcome.requests, faults + outcome.faults, kills + outcome.deaths
        if outcome.problems:
            failed.append(outcome.seed)
            print(_verdict(outcome), flush=True)
            if len(failed) >= most_failures:
                break
        if NOW() - told > TOLD_EVERY:
            told = NOW()
            print(f"{done} of {len(seeds)} seeds, {len(failed)} failed, {told - began:.0f} s", flush=True)
    print(
        f"{done} seeds, {len(failed)} failed: {requests} requests, {faults} faults, {kills} kills in "
        f"{NOW() - began:.0f} s."
    )
    if failed:
        print(f"Failed: {' '.join(map(str, failed))}. One of them alone: make simulate SEED={failed[0]}")
    return 1 if failed else 0


def _find_mutations(run_all: RunAll, seeds: range, names: list[str]) -> int:
    missed = 0
    for name in names:
        for at in range(seeds.start, seeds.stop, _CHUNK * 4):
            part = range(at, min(at + _CHUNK * 4, seeds.stop))
            found = next((outcome for outcome in _outcomes(run_all, part, name) if outcome.problems), None)
            if found is not None:
                print(f"{name}: found by seed {found.seed}: {found.problems[0][:150]}", flush=True)
                break
        else:
            missed += 1
            print(f"{name}: NOT FOUND by {len(seeds)} seeds", flush=True)
    return 1 if missed else 0


def _verdict(outcome: Outcome) -> str:
    if not outcome.problems:
        return f"seed {outcome.seed}: all is right"
    return "\n".join([f"seed {outcome.seed} FAILED", *(f"    {one}" for one in outcome.problems[:_SHOWN])])


if __name__ == "__main__":
    sys.exit(main())
