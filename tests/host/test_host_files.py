"""Which files are watched, and which of them have changed.

Source: docs/protocol/functions-host-worker.md#reloading
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from durable_host.host import watched_files
from durable_host.host.watched_files import WatchRules, changes, differences


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("function_app.py", True),
        ("parts/deep/er/x.py", True),
        ("host.json", True),
        ("one/function.json", True),
        ("local.settings.json", True),
        ("parts/local.settings.json", False),
        ("app_offline.htm", True),
        ("requirements.txt", False),
        ("data.json", False),
        (".venv/lib/x.py", False),
        ("venv/x.py", False),
        ("env/x.py", False),
        (".git/x.py", False),
        (".azurite/x.py", False),
        ("__pycache__/x.py", False),
        ("parts/__pycache__/x.py", False),
        ("tests/test_x.py", False),
        ("parts/test/test_x.py", False),
        ("node_modules/x.py", False),
        (".hidden.py", True),
        ("test_of_my_function.py", True),
        ("extra/anything.txt", True),
        ("extra/.deep/anything", True),
        ("wanted.txt", True),
        ("parts/wanted.txt", True),
    ],
)
def test_what_matters_is_code_and_configuration(tmp_path: Path, path: str, matters: bool) -> None:
    rules = WatchRules(tmp_path, files=("wanted.txt",), directories=("extra",))
    assert rules.matters(tmp_path / path) is matters


def test_files_outside_of_the_app_do_not_matter(tmp_path: Path) -> None:
    assert not WatchRules(tmp_path / "app").matters(tmp_path / "x.py")


def test_an_app_below_a_folder_named_tests_is_watched(tmp_path: Path) -> None:
    rules = WatchRules(tmp_path / "tests" / "app")
    assert rules.matters(tmp_path / "tests" / "app" / "x.py")


def test_folders_of_environments_and_what_is_left_out_are_not_watched(tmp_path: Path) -> None:
    for folder in ("parts/deep", ".venv/lib", "mine/lib", "tests", "extra/.deep", "node_modules/x"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "mine" / "pyvenv.cfg").touch()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path / "tests")
    found = {str(path.relative_to(tmp_path)) for path in WatchRules(tmp_path, directories=("extra",)).folders()}
    assert found == {".", "parts", "parts/deep", "extra", "extra/.deep", "linked"}


def test_differences_are_new_gone_and_changed_files() -> None:
    a, b, c, d = (Path(name) for name in "abcd")
    before = {a: (1, 1), b: (1, 1), c: (1, 1)}
    assert differences(before, {a: (1, 1), b: (2, 1), d: (1, 1)}) == [b, c, d]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a notice of the system files are looked at once a tenth of a second."""
    monkeypatch.setattr(watched_files, "CHECK_MILLISECONDS", 100)


@asynccontextmanager
async def watching(root: Path) -> AsyncIterator[asyncio.Queue[list[str]]]:
    rules, stopping = WatchRules(root), threading.Event()
    told: asyncio.Queue[list[str]] = asyncio.Queue()

    async def watch(known: dict[Path, tuple[int, int]]) -> None:
        async for paths in changes(rules, known, stopping):
            told.put_nowait([str(path.relative_to(root)) for path in paths])

    task = asyncio.create_task(watch(rules.file_times()))
    yield told
    stopping.set()
    await task


async def told_next(told: asyncio.Queue[list[str]]) -> list[str]:
    async with asyncio.timeout(30):
        return await told.get()


async def test_a_change_made_before_the_watch_began_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    async with watching(tmp_path) as told:
        (tmp_path / "a.py").write_text("22")
        assert await told_next(told) == ["a.py"]


async def test_new_folders_are_watched_with_what_was_in_them_already(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("1")
    async with watching(tmp_path) as told:
        (tmp_path / "parts" / "deep").mkdir(parents=True)
        (tmp_path / "parts" / "deep" / "b.py").write_text("1")
        assert await told_next(told) == ["parts/deep/b.py"]
        (tmp_path / "parts" / "deep" / "b.py").write_text("22")
        assert await told_next(told) == ["parts/deep/b.py"]
        (tmp_path / "parts" / "deep" / "b.py").unlink()
        assert await told_next(told) == ["parts/deep/b.py"]


async def test_a_file_that_is_written_but_not_changed_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("1")
    async with watching(tmp_path) as told:
        path.chmod(0o600)
        (tmp_path / "b.py").write_text("1")
        assert await told_next(told) == ["b.py"]
