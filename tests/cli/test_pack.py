"""`func pack` and the rules of .funcignore, compared with git's."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cli_runs import Func

from durable_host.cli.ignore_rules import IgnoreRules
from durable_host.cli.pack import packed_files

PATHS = [
    "host.json", "a.txt", "b/a.txt", "b/c/a.txt", "b/c/d.md", "docs/x.md", "docs/y/z.md", "x/docs/q.md", "build",
    "x/build/out.bin", "tests/test_a.py", "x/tests/test_b.py", "log/1.log", "log/keep.log", "foo bar.txt",
    "weird[1].txt", "a1.c", "a2.c", "b3.c", "deep/one/two/three.txt", "#hash", "!bang", "sp ace/x",
]  # fmt: skip

RULES = [
    ["*.txt"], ["/a.txt"], ["b/a.txt"], ["a.txt", "!b/c/a.txt"], ["docs/"], ["/docs/"], ["docs/*"], ["docs/**"],
    ["**/docs"], ["build"], ["build/"], ["*.log", "!keep.log"], ["log/", "!log/keep.log"], ["log/*", "!log/keep.log"],
    ["/*", "!/host.json", "!/b/"], ["a?.c"], ["[ab][0-2].c"], ["[!a]*.c"], ["foo bar.txt  "], ["weird\\[1\\].txt"],
    ["deep/**/three.txt"], ["**/two/"], ["\\#hash"], ["\\!bang"], ["# comment", "", "   "], ["b/**/a.txt"],
    ["deep/*/two"], ["*", "!*.md"], ["sp ace"], ["/"], ["x/*/"],
]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in PATHS:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return root


def kept(root: Path, rules: list[str]) -> list[str]:
    (root / ".funcignore").write_text("\n".join(rules))
    return sorted(path.relative_to(root).as_posix() for path in packed_files(root))


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="git reads the rules the same everywhere")
@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_rules_mean_what_they_mean_to_git(tree: Path, rules: list[str]):
    ours = kept(tree, rules)
    subprocess.run(["git", "init", "-q", str(tree)], check=True)
    (tree / ".git" / "info" / "exclude").write_text("")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", f"--exclude-from={tree / '.funcignore'}"],
        cwd=tree, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    assert ours == sorted(name for name in listed if name and name != ".funcignore")


@pytest.mark.parametrize("line", ["[z-a].txt", "!", "\\"])
def test_a_line_that_is_not_a_pattern_has_no_effect(line: str):
    rules = IgnoreRules([line, "b.txt"])
    assert not rules.leaves_out("z.txt", is_folder=False)
    assert rules.leaves_out("b.txt", is_folder=False)


def test_archive_has_the_app_and_no_secrets(func: Func, folder: Path):
    func("init", "--python")
    left_out = (".venv/bin/python", "tools/py311/pyvenv.cfg", "tools/py311/bin/python", "__pycache__/x.pyc", ".env")
    for name in (*left_out, "docs/readme.md", "part/code.py", ".python_packages/a.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    (folder / ".funcignore").write_text("docs/\n")
    outcome = func("pack", "--output", "out/app.zip")
    assert outcome.code == 0
    assert outcome.out == f"Created {folder}/out/app.zip (5 files).\n"
    with zipfile.ZipFile(folder / "out" / "app.zip") as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert sorted(names) == [
        ".python_packages/a.py", "function_app.py", "host.json", "part/code.py", "requirements.txt",
    ]  # fmt: skip


def test_archive_is_named_after_the_folder_and_replaced(func: Func, folder: Path):
    func("init", "app", "--python")
    for _ in range(2):
        outcome = func("pack", "app")
        assert "deploy with a remote build" in outcome.out
    assert (folder / "app.zip").exists()
    assert func("--script-root", "app", "pack", "-o", "app").code == 0
    assert func("--script-root", "app", "pack", "-o", "app").out.startswith(f"Created {folder}/app/app.zip (3 files).")


def test_folder_without_an_app_is_not_packed(func: Func):
    outcome = func("pack")
    assert outcome.code == 3
    assert "Unable to find project root." in outcome.err


def test_native_packages_are_not_built(func: Func, folder: Path):
    func("init", "--python")
    assert func("pack", "--build-native-deps").code == 2
