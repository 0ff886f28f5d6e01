"""`make simulate SEEDS=10000` runs seeds on all cores; `make simulate SEED=123` runs one and prints its requests."""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

REAL_TIME = time.monotonic


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="number of seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this one alone and print its requests")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first failures")
    parser.add_argument("--most-failures", type=int, default=5)
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    if given.seed is not None:
        return _one(given.seed)
    return _many(range(given.first, given.first + given.seeds), given.jobs, given.most_failures, given.keep_going)


def _one(seed: int) -> int:
    from simulated_world import simulate

    outcome = simulate(seed, traces=True)
    print("\n".join(outcome.trace))
    print(outcome.plan)
    print(_line(outcome.seed, outcome.problems) if outcome.problems else f"seed {seed}: all is right")
    print(f"{outcome.requests} requests, {outcome.faults} faults, {outcome.deaths} kills, "
          f"{outcome.virtual_seconds:.0f} s of virtual time")  # fmt: skip
    return 1 if outcome.problems else 0


def run_seed(seed: int) -> tuple[int, list[str], int, int, int]:
    """One seed in a process of the pool: its problems, and the numbers of requests, faults and kills."""
    from simulated_world import simulate

    outcome = simulate(seed)
    return seed, outcome.problems, outcome.requests, outcome.faults, outcome.deaths


def _many(seeds: Iterable[int], jobs: int, most: int, keep_going: bool) -> int:
    seeds = list(seeds)
    began = told = REAL_TIME()
    failed: list[int] = []
    totals = [0, 0, 0]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("forkserver")) as pool:
        for done, (seed, problems, *numbers) in enumerate(pool.map(run_seed, seeds, chunksize=4), 1):
            totals = [total + number for total, number in zip(totals, numbers, strict=True)]
            if problems:
                failed.append(seed)
                print(_line(seed, problems), flush=True)
                if len(failed) >= most and not keep_going:
                    pool.shutdown(cancel_futures=True)
                    break
            if REAL_TIME() - told > 10.0:
                told = REAL_TIME()
                print(f"{done} of {len(seeds)} seeds, {len(failed)} failed, {told - began:.0f} s", flush=True)
    requests, faults, kills = totals
    print(f"{done} seeds: {len(failed)} failed; {requests} requests, {faults} faults, {kills} kills, "
          f"{REAL_TIME() - began:.0f} s.")  # fmt: skip
    if failed:
        print(f"Failed: {' '.join(map(str, failed))}. Replay one alone: make simulate SEED={failed[0]}")
    return 1 if failed else 0


def _line(seed: int, problems: list[str]) -> str:
    return "\n".join([f"seed {seed} FAILED", *(f"    {problem}" for problem in problems[:8])])


if __name__ == "__main__":
    sys.exit(main())
