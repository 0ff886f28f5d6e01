"""The contributor guides are true: commands, files, hooks, the workflow, and what users may import."""

import importlib
import re
import sys
from pathlib import Path

import pytest
import tomllib
from doc_pages import ROOT, Page, all_pages, page

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split())  # type: ignore[index]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
GUIDES = ("CONTRIBUTING.md", "tests/README.md")


def command_texts(page: Page) -> list[str]:
    return [*page.code(), *(block.text for block in page.blocks)]


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_make_commands_in_the_pages_are_targets(page: Page) -> None:
    named = {name for text in command_texts(page) for name in re.findall(r"(?:^|[\n$] ?)make ([a-z]+)", text)}
    assert named - TARGETS == set()


def test_the_top_of_the_makefile_describes_every_target() -> None:
    header = MAKEFILE[: MAKEFILE.index("\nCANDIDATES")]
    assert set(re.findall(r"make ([a-z]+)", header)) == TARGETS - {"install", "clean"}


@pytest.mark.parametrize("name", GUIDES)
def test_files_that_the_guides_name_exist(name: str) -> None:
    paths = [text for text in page(name).code() if re.fullmatch(r"[\w.-]+(/[\w.-]+)+", text)]
    generated = ("build/", ".venv/")
    assert [path for path in paths if not path.startswith(generated) and not (ROOT / path).exists()] == []
    assert paths


def test_modules_that_the_architecture_page_names_exist() -> None:
    named = [text for text in page("docs/architecture.md").code() if re.fullmatch(r"(\w+/)*\w+\.(py|js)", text)]
    assert [text for text in named if not any((ROOT / "durable_host").rglob(text)) and not (ROOT / text).exists()] == []
    assert named


def test_the_guide_of_the_tests_describes_every_folder() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}
    described = {row.code()[0].strip("/") for row in page("tests/README.md").rows() if row.heading == "Folders"}
    assert described == folders


def test_tiers_in_the_guides_are_the_registered_marks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    marks = {line.partition(":")[0] for line in project["tool"]["pytest"]["ini_options"]["markers"]}
    marks = {mark for mark in marks if "(" not in mark}
    for guide in GUIDES:
        listed = {row.code()[0] for row in page(guide).rows() if row.heading in ("Tests", "Tiers")}
        assert listed == marks, guide


def test_the_workflow_runs_the_commands_of_the_ci_script() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert re.findall(r"^make \w+", script, re.MULTILINE) == re.findall(r"run: (make \w+)", WORKFLOW)


def test_the_workflow_covers_three_systems_and_every_supported_python() -> None:
    assert "os: [ubuntu-latest, macos-latest, windows-latest]" in WORKFLOW
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in WORKFLOW


def test_hooks_call_tools_of_the_virtual_environment() -> None:
    tools = re.findall(r"entry: \.venv/bin/(\S+)", HOOKS)
    assert len(tools) == HOOKS.count("- id:")
    suffix = ".exe" if sys.platform == "win32" else ""
    assert [tool for tool in tools if not Path(sys.executable).with_name(f"{tool}{suffix}").exists()] == []


def test_modules_that_users_import_are_listed_with_their_names() -> None:
    listed = [row.code()[0] for row in page("CONTRIBUTING.md").rows() if row.heading == "What users import"]
    assert listed == ["durable_host", "durable_host.testing"]
    for name in listed:
        module = importlib.import_module(name)
        assert [public for public in module.__all__ if not hasattr(module, public)] == []


def test_the_package_ships_its_types() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["durable_host"]
    assert (ROOT / "durable_host" / "py.typed").exists()
