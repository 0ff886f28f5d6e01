"""Long runs under load: `python -m bench.soak --hours 1` or `python -m bench.soak --kills 200`.

`--hours` and `--minutes` keep one host under a modest load and sample its memory, descriptors, queue lengths and table
sizes, into a JSON file and a picture (see `bench.soak_hours`). `--kills` kills the host at random times and checks the
results of the work (see `bench.soak_kills`). The exit code is 1 if a result is not right or if something grows.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from bench.command import run_command


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, default=0.0, help="how long one host runs under load")
    parser.add_argument("--minutes", type=float, default=0.0, help="is added to --hours")
    parser.add_argument("--storage", choices=["azurite", "sqlite"], default="azurite", help="where the task hub is")
    parser.add_argument("--retain", default="10m", help="how long ended instances are kept (0: forever)")
    parser.add_argument("--picture", type=Path, help="PNG file for the samples (default: soak.png in --keep)")
    parser.add_argument("--kills", type=int, help="how often the host is killed (default without a duration: 200)")
    parser.add_argument("--rate", type=float, help="runs started a second (default: 1 for long runs, 6 with kills)")
    parser.add_argument("--seed", type=int, help="of the times of kills and starts")
    parser.add_argument("--keep", type=Path, help="folder for the host's output, the samples and the runs")
    options = parser.parse_args()
    seconds = options.hours * 3600 + options.minutes * 60
    if seconds and options.kills:
        parser.error("--kills cannot be combined with --hours and --minutes")
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = (options.keep or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        if seconds:
            from bench.soak_hours import soak_hours

            picture = options.picture or (folder / "soak.png" if options.keep else None)
            code = soak_hours(options.storage, seconds, options.rate or 1.0, options.retain, folder, picture)
        else:
            from bench.soak_kills import soak_kills

            code = soak_kills(200 if options.kills is None else options.kills, options.rate or 6.0, folder)
    sys.exit(code)


if __name__ == "__main__":
    run_command(main)
