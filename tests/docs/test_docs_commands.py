"""Every command in the documentation, run in the order of its page."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
from doc_console import NEEDS_NO_SHELL, Desk
from doc_pages import ROOT, Block, Page, all_pages, page

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl"
)

SAMPLE_PAGES = ("README.md", "docs/how-to/approval-workflow.md", "docs/how-to/inspect-a-hub.md")
COPY_PAGES = ("docs/how-to/long-runs.md", "docs/how-to/several-hosts.md", "docs/how-to/sqlite-hub.md")
TEST_KIT_PAGES = ("docs/how-to/test-your-app.md", "docs/how-to/other-test-kits.md")  # test_docs_test_kit.py takes them
REGISTRY = "needs the package registry"
ACCOUNT = "needs an Azure account"

NOT_RUN = {
    ("README.md", "make test"): "runs the tests that this test belongs to",
    ("README.md", "python3 -m venv .venv"): REGISTRY,
    ("README.md", "python3 -m pip install -c constraints.txt ."): REGISTRY,
    ("docs/quickstart.md", "python3 -m venv ~/durable-host"): REGISTRY,
    ("docs/quickstart.md", "python3 -m venv .venv"): REGISTRY,
    ("docs/quickstart.md", ".venv/bin/python -m pip install -r requirements.txt"): REGISTRY,
    ("docs/how-to/debug.md", ".venv/bin/python -m pip install debugpy"): REGISTRY,
    ("docs/how-to/mcp.md", '.venv/bin/python -m pip install "mcp>=2,<3"'): REGISTRY,
    (
        "docs/how-to/http-streaming.md",
        ".venv/bin/python -m pip install azurefunctions-extensions-http-fastapi",
    ): REGISTRY,
    ("docs/how-to/dashboard.md", "func durable dashboard --path .durable-host/Approvals.db"): "it runs until Ctrl+C",
    (
        "docs/how-to/dashboard.md",
        'curl -s "localhost:7071/_df/api/instances?status=Failed&sort=-updated&top=5"',
    ): "the host of this page is not started",
    ("docs/how-to/durable-task-workers.md", "npm install @microsoft/durabletask-js"): REGISTRY,
    (
        "docs/how-to/test-your-app.md",
        "python -m pip install azure-functions-durable azure-storage-queue pytest durable_host/",
    ): REGISTRY,
    ("docs/how-to/other-test-kits.md", "python3 -m venv kits"): REGISTRY,
    ("docs/how-to/from-core-tools.md", "func doctor"): "needs an app of the reader's own",
    ("docs/how-to/real-azure-storage.md", "az login"): ACCOUNT,
    ("docs/how-to/real-azure-storage.md", "func doctor"): ACCOUNT,
    ("docs/how-to/real-azure-storage.md", "func start --functions StartOrder ProcessOrder"): ACCOUNT,
}


def pages_with_commands() -> list[str]:
    return [page.name for page in all_pages() if any(block.kind == "console" for block in page.blocks)]


A_WHOLE_PAGE = pytest.mark.timeout(300)
"""Its commands are dozens of processes, one after the other; each has a limit of its own."""


def take_all(desk: Desk, name: str) -> None:
    for block in page(name).blocks:
        desk.take(block)


@A_WHOLE_PAGE
@pytest.mark.parametrize("name", SAMPLE_PAGES)
def test_commands_about_the_sample_work(name: str, sample_desk: Desk) -> None:
    take_all(sample_desk, name)


@A_WHOLE_PAGE
@pytest.mark.parametrize("name", COPY_PAGES)
def test_commands_about_a_copy_of_the_sample_work(name: str, copy_desk: Desk) -> None:
    take_all(copy_desk, name)


@A_WHOLE_PAGE
@pytest.mark.parametrize(
    "name",
    [name for name in pages_with_commands() if name not in SAMPLE_PAGES + COPY_PAGES + TEST_KIT_PAGES],
)
def test_commands_that_begin_in_an_empty_folder_work(name: str, empty_desk: Desk) -> None:
    if name == "docs/how-to/debug.md" and find_spec("debugpy") is None:
        pytest.skip("debugpy is not installed")
    take_all(empty_desk, name)


def test_commands_that_are_not_run_are_these_and_have_a_reason() -> None:
    found: dict[tuple[str, str], str] = {}
    for block in (block for each in all_pages() for block in each.blocks):
        if block.reason_not_run is not None:
            found[block.page, block.commands()[0].text] = block.reason_not_run
    assert found == NOT_RUN


@pytest.mark.parametrize(
    ("command", "does"), [("make start", "bin/func start"), ("make test", "bin/python -m pytest -n ")]
)
@pytest.mark.parametrize("around", [{}, {"MAKELEVEL": "1", "MAKEFLAGS": "w"}, {"MAKEFLAGS": "s"}])
def test_the_two_commands_of_the_readme_are_targets_of_the_makefile(
    command: str, does: str, around: dict[str, str]
) -> None:
    """Also when the tests themselves run under make, which passes its options on and prints the folders it enters."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        [*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=True, env={**environ, **around}
    )
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    assert does in lines[-1]


def test_ci_types_the_command_of_the_readme_and_adds_nothing() -> None:
    readme = next(page for page in all_pages() if page.name == "README.md")
    commands = [each.text for block in readme.blocks if block.kind == "console" for each in block.commands()]
    assert "make test" in commands
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    calls = [line.strip() for line in script.splitlines() if "make test" in line and not line.strip().startswith("#")]
    assert calls[0].startswith("make test 2>&1")
    exported = [line.split()[1] for line in script.splitlines() if line.strip().startswith("export")]
    assert exported in ([], ["DURABLE_HOST_ORACLE"])


def blocks_of_kind(kind: str) -> list[Block]:
    return [block for page in all_pages() for block in page.blocks if block.kind == kind]


@pytest.mark.parametrize("block", blocks_of_kind("python"), ids=lambda block: block.place)
def test_python_in_the_pages_is_valid(block: Block) -> None:
    ast.parse(block.text)


@pytest.mark.parametrize("block", blocks_of_kind("json"), ids=lambda block: block.place)
def test_json_in_the_pages_is_valid(block: Block) -> None:
    json.loads(block.text)


def test_blocks_say_what_they_hold() -> None:
    known = {"console", "csharp", "javascript", "python", "json", "text", "yaml"}
    assert {block.kind for page in all_pages() for block in page.blocks} <= known


def test_markers_are_understood() -> None:
    def is_known(block: Block) -> bool:
        has_name = block.file is not None or block.reason_not_run is not None
        return not block.marker or block.is_run or block.is_of_host or has_name

    assert [block.place for page in all_pages() for block in page.blocks if not is_known(block)] == []


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_pages_name_nothing_of_their_making(page: Page) -> None:
    words = ("issue #", "TODO", "session's", "pypi.org", "/root/", "/work/", "/tmp/", "agent")
    text = re.sub(r"openai[ _-]agents?", "", page.text, flags=re.IGNORECASE)  # a package that apps use
    assert [word for word in words if word in text] == []


def test_a_command_that_needs_a_shell_is_not_forked() -> None:
    for command in ("func doctor", """func durable start-new A --input '{"a": [1]}'""", 'python -m pytest -k "a or b"'):
        assert NEEDS_NO_SHELL.fullmatch(command), command
    for rest in ("{a,b}", "a?", "[ab]", "!!", "a\nfunc b", "a | b", "$A", '"$A"', "'a"):
        assert not NEEDS_NO_SHELL.fullmatch(f"func {rest}"), rest
