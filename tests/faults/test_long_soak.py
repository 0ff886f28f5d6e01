"""The samples of a long soak, its verdict, its picture, and one that lasts seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.soak_picture import draw
from bench.soak_samples import Sample, read, trends, write

ROOT = Path(__file__).parents[2]


def samples(count: int = 50, *, megabytes_each: float = 0.0, descriptors_each: float = 0.0) -> list[Sample]:
    """One sample a minute; the rows are counted in every tenth."""
    return [
        Sample(
            second=60.0 * number,
            memory={"host": 60 + megabytes_each * number, "worker": 110},
            descriptors={"host": 30 + descriptors_each * number, "worker": 12},
            queues={"control queues": number % 3},
            tables={"History": 1000 + number % 7} if number % 10 == 0 else {},
            files={"blobs": 0} if number % 10 == 0 else {},
            ended=number,
        )
        for number in range(count)
    ]


def growing(found: list[Sample], settled_after: float = 300.0) -> list[str]:
    return [trend.what for trend in trends(found, settled_after) if not trend.is_flat]


@pytest.mark.unit
def test_values_that_vary_but_do_not_grow_are_flat() -> None:
    assert growing(samples()) == []


@pytest.mark.unit
def test_a_value_that_grows_is_named() -> None:
    assert growing(samples(megabytes_each=0.5)) == ["memory: host"]
    assert growing(samples(descriptors_each=0.2)) == ["descriptors: host"]


@pytest.mark.unit
def test_growth_before_everything_has_settled_does_not_count() -> None:
    found = samples()
    for number, sample in enumerate(found):
        sample.memory["host"] = min(30 + 4 * number, 60)
    assert growing(found, settled_after=0.0) == ["memory: host"]
    assert growing(found, settled_after=600.0) == []


@pytest.mark.process  # matplotlib asks `fc-list` for fonts when it is used first on a machine
def test_samples_are_read_as_they_were_written_and_drawn_as_png(tmp_path: Path) -> None:
    write(samples(12), tmp_path / "samples.json")
    assert read(tmp_path / "samples.json") == samples(12)
    draw(samples(12), tmp_path / "soak.png", "A test")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.process
@pytest.mark.timeout(300)
def test_a_soak_of_seconds_ends_right_and_leaves_samples_and_a_picture(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.soak", "--minutes", "0.05", "--rate", "10", "--storage", "sqlite"]
    command += ["--retain", "60s", "--seed", "1", "--keep", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    text = done.stdout + done.stderr
    assert " 0 faults" in text, text
    (first, *_, last) = json.loads((tmp_path / "samples.json").read_text("utf-8"))
    assert first["memory"]["host"] > 0
    assert last["ended"] > 0
    assert (tmp_path / "soak.png").exists()
