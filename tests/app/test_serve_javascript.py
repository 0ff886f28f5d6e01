"""`func durable serve` with `@microsoft/durabletask-js`: children, entities, locks, rewind and versions."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from serve_world import PATIENCE, Served

PROGRAMS = Path(__file__).with_name("javascript")


@pytest.fixture(scope="module")
def seen(javascript: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program has seen, by feature."""
    shutil.copy(PROGRAMS / "features.mjs", javascript)
    served = Served(tmp_path_factory.mktemp("hub"), {})
    try:
        command = ["node", "features.mjs", served.url.removeprefix("http://")]
        done = subprocess.run(
            command, cwd=javascript, capture_output=True, text=True, check=False, timeout=PATIENCE * 2
        )
    finally:
        served.end()
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("children", [["family-a", "a done"], ["family-b", "b done"]]),
        ("entities", [1, 11]),
        ("locks", [[True, False, 0]] * 3),
        ("balance", {"value": 6}),
        ("retries", 3),
        ("failed", True),
        ("rewound", ["first done", ["broken-child", "bad done"]]),
        ("ranAgain", ["bad"]),
        ("history", True),
        ("versions", ["2.0.0", "1.5.0"]),
        ("newer", True),
    ],
)
def test_feature_of_the_javascript_sdk(seen: dict[str, object], feature: str, expected: object) -> None:
    assert seen[feature] == expected, seen
