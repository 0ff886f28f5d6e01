"""Which files are watched, and which of them have changed.

Source: docs/protocol/functions-host-worker.md#reloading
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from durable_host.config import StartOptions
from durable_host.host import watched_files
from durable_host.host.source_build import SourceBuild
from durable_host.host.watched_files import WatchRules, changes, differences
from durable_host.invocation.worker_kind import SourceFiles


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


async def test_a_change_made_before_the_watch_began_is_reported(tmp_path: Path) -> None:
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


async def test_a_file_that_is_written_but_not_changed_is_not_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("1")
    async with watching(tmp_path) as told:
        path.chmod(0o600)
        (tmp_path / "b.py").write_text("1")
        assert await told_next(told) == ["b.py"]


def project_rules(root: Path) -> WatchRules:
    """The rules for a project of a .NET app, whose worker loads the output of a build."""
    sources = SourceFiles(frozenset({".cs"}), built=frozenset({"bin", "obj"}), outputs=frozenset({".dll"}))
    return WatchRules(root, sources=sources, output=root / "bin" / "Debug" / "net10.0")


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("Functions.cs", True),
        ("parts/Orders.cs", True),
        ("parts/bin/Tool.cs", True),
        ("host.json", True),
        ("bin/Debug/net10.0/App.dll", True),
        ("bin/Debug/net10.0/App.pdb", False),
        ("bin/Debug/net10.0/host.json", False),
        ("bin/Debug/net10.0/runtimes/unix/lib.dll", False),
        ("bin/Release/net10.0/App.dll", False),
        ("obj/Debug/net10.0/App.AssemblyInfo.cs", False),
        ("App.dll", False),
    ],
)
def test_of_a_project_sources_and_the_output_of_its_build_matter(tmp_path: Path, path: str, matters: bool) -> None:
    assert project_rules(tmp_path).matters(tmp_path / path) is matters


def test_the_folders_of_a_build_are_not_watched_but_its_output_is(tmp_path: Path) -> None:
    for folder in ("parts", "obj/Debug", "bin/Debug/net10.0/runtimes", "bin/Release"):
        (tmp_path / folder).mkdir(parents=True)
    watched = {path.relative_to(tmp_path).as_posix() for path in project_rules(tmp_path).folders()}
    assert watched == {".", "parts", "bin/Debug/net10.0"}


class Build:
    """Writes an assembly, then asks `seen` what the watch would tell meanwhile."""

    title = "App.csproj"

    def __init__(self, output: Path, seen: Callable[[], None]) -> None:
        self.output = output
        self._seen = seen

    async def run(self, report: Callable[[str], None]) -> Path:
        (self.output / "App.dll").write_text("built", "utf-8")
        self._seen()
        return self.output


async def test_what_the_own_build_writes_is_no_news(tmp_path: Path) -> None:
    rules = project_rules(tmp_path)
    assert rules.output is not None
    rules.output.mkdir(parents=True)
    assembly, news = rules.output / "App.dll", list[list[Path]]()
    source_build = SourceBuild(
        StartOptions(build=Build(rules.output, lambda: news.append(source_build.relevant([assembly])))), rules
    )
    await source_build.run()
    assert [*news, source_build.relevant([assembly])] == [[], []]
    assert source_build.script_root == rules.output


async def test_what_another_build_writes_is_news_that_needs_no_build(tmp_path: Path) -> None:
    rules = project_rules(tmp_path)
    assert rules.output is not None
    rules.output.mkdir(parents=True)
    source_build = SourceBuild(StartOptions(build=Build(rules.output, lambda: None)), rules)
    await source_build.run()
    assembly = rules.output / "App.dll"
    assembly.write_text("built by an editor", "utf-8")
    assert source_build.relevant([assembly]) == [assembly]
    assert not source_build.is_needed([assembly])


@pytest.mark.parametrize(
    ("name", "is_needed"), [("Functions.cs", True), ("host.json", True), ("local.settings.json", False)]
)
def test_sources_need_a_build_and_settings_do_not(tmp_path: Path, name: str, is_needed: bool) -> None:
    rules = project_rules(tmp_path)
    source_build = SourceBuild(StartOptions(build=Build(tmp_path, lambda: None)), rules)
    assert source_build.is_needed([tmp_path / name]) is is_needed


def test_without_a_build_every_change_is_news(tmp_path: Path) -> None:
    rules = project_rules(tmp_path)
    source_build = SourceBuild(StartOptions(), rules)
    paths = [tmp_path / "Functions.cs", tmp_path / "bin" / "Debug" / "net10.0" / "App.dll"]
    assert source_build.relevant(paths) == paths
    assert not source_build.is_needed(paths)
