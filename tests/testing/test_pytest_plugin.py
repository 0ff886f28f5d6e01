"""The pytest plugin, in the tests of an app: nothing is imported in a conftest.py."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

import pytest
from other_pytest import pytest_command, run_pytest

from durable_host.errors import ConfigurationError
from durable_host.testing import FunctionApp

APP = """
import os
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df

app = df.DFApp()
with Path(__file__).with_name("loads").open("a") as file:
    print(os.getpid(), file=file)


@app.orchestration_trigger(context_name="context")
def approval(context):
    approved = context.wait_for_external_event("Approval")
    expired = context.create_timer(context.current_utc_datetime + timedelta(days=2))
    first = yield context.task_any([approved, expired])
    if first == expired:
        return "expired"
    expired.cancel()
    return "granted"


@app.orchestration_trigger(context_name="context")
def greeting(context):
    return (yield context.call_activity("greet", ""))


@app.activity_trigger(input_name="text")
def greet(text: str) -> str:
    return os.environ.get("GREETING", "none")
"""
OTHER = APP.replace("def greeting(", "def other(")
BROKEN = APP.replace("import os\n", "import os\nimport a_module_that_is_missing\n")
TESTS = """
import asyncio
import logging
import unittest

import pytest

from durable_host.testing import FunctionApp


def test_plain(function_app: FunctionApp):
    instance = function_app.start("approval", instance_id="a")
    function_app.advance(days=7)
    assert instance.output == "expired"


def test_empty_again(function_app: FunctionApp):
    assert function_app.instances() == []


async def test_async_without_another_plugin(function_app):
    instance = await function_app.start("approval")
    await asyncio.sleep(0)
    await instance.wait_until(waiting_for="Approval")
    assert (await instance.raise_event("Approval")).output == "granted"


async def test_async_with_a_default(function_app, name="approval"):
    assert (await function_app.start(name)).status == "Running"


def test_loggers_have_no_level_of_their_own_without_an_app():
    assert logging.getLogger("Function").level == logging.NOTSET


@pytest.mark.asyncio
async def test_async_with_a_mark(function_app):
    assert (await function_app.start("approval")).status == "Running"


def test_settings_of_the_ini_file(function_app):
    assert function_app.start("greeting").output == "hello"


@pytest.mark.function_app(settings={"GREETING": "good morning"})
def test_settings_of_a_mark(function_app):
    assert function_app.start("greeting").output == "good morning"


@pytest.mark.function_app(root="../other")
def test_app_of_a_mark(function_app):
    assert function_app.start("other").output == "hello"


class TestWithUnittest(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _app(self, function_app):
        self.app = function_app

    def test_fixture(self):
        self.assertEqual(self.app.start("approval").status, "Running")


def test_fails(function_app):
    function_app.start("approval", instance_id="order-7").wait_until(waiting_for="Aproval")
"""
LIVE = """
import pytest

from durable_host.testing import FunctionApp, LiveFunctionApp, assert_replays


def test_plain(live_function_app: LiveFunctionApp):
    instance = live_function_app.start("approval", instance_id="a")
    live_function_app.advance(days=7)
    assert instance.output == "expired"


async def test_empty_again(live_function_app):
    assert live_function_app.instances() == []
    assert (await live_function_app.start("greeting")).output == "hello"


@pytest.mark.function_app(root="../marked")
def test_a_replay_uses_the_app_of_the_mark(function_app: FunctionApp):
    function_app.start("approval").history.save("histories/approval.json")
    assert_replays("histories/*.json")
    assert len(function_app.instances()) == 1


@pytest.mark.function_app(root="../marked")
def test_a_replay_needs_no_fixture():
    assert_replays("histories/*.json")
"""
UNITTEST = """
import unittest
from pathlib import Path

from durable_host.testing import FunctionApp, StillRunning, chaos_runs


def expires(app):
    assert app.start("approval").wait().output == "expired"


class Approvals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = cls.enterClassContext(FunctionApp(Path(__file__).parent))

    def setUp(self):
        self.app.reset()

    def test_expires(self):
        self.assertEqual(self.app.start("approval", instance_id="a").wait().output, "expired")

    def test_granted(self):
        self.assertEqual(self.app.start("approval", instance_id="a").raise_event("Approval").output, "granted")

    def test_failure_is_an_assertion(self):
        self.assertTrue(issubclass(StillRunning, self.failureException))

    def test_expires_whatever_fails(self):
        self.assertEqual(chaos_runs(Path(__file__).parent, expires, runs=3).runs, 3)


class AsyncApprovals(unittest.IsolatedAsyncioTestCase):
    async def test_granted(self):
        with FunctionApp(Path(__file__).parent) as app:
            instance = await app.start("approval")
            self.assertEqual((await instance.raise_event("Approval")).output, "granted")
"""


class Run(NamedTuple):
    root: Path
    output: str

    def passed(self, test: str) -> bool:
        return f"PASSED tests/test_approval.py::{test}\n" in self.output


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for folder, code in {".": APP, "other": OTHER, "broken": BROKEN, "live": APP, "marked": OTHER}.items():
        app = root / folder
        app.mkdir(exist_ok=True)
        (app / "function_app.py").write_text(code)
        (app / "host.json").write_text('{"version": "2.0"}')
    (root / "pytest.ini").write_text("[pytest]\ndurable_host_settings =\n    GREETING=hello\n")
    (root / "tests").mkdir()
    (root / "tests" / "test_approval.py").write_text(TESTS)
    (root / "broken" / "test_broken.py").write_text(
        "def test_one(function_app): pass\ndef test_two(function_app): pass\n"
    )
    (root / "live" / "test_live.py").write_text(LIVE)
    (root / "unittests.py").write_text(UNITTEST)
    return root


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    """Of a pytest that is started as readers do it."""
    command = pytest_command("--strict-markers", "-rA", "tests", "broken")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100, check=False)
    return Run(root, done.stdout)


def pytest_in(root: Path, *arguments: str) -> str:
    return run_pytest("--strict-markers", *arguments, folder=root).stdout


def test_pytest_finds_the_plugin() -> None:
    names = {point.value for point in entry_points(group="pytest11")}
    assert "durable_host.testing.pytest_plugin" in names, "Install the project again: make install"


def test_the_plugin_imports_nothing_of_the_product_before_use() -> None:
    show = "print(sorted(name for name in sys.modules if name.startswith('durable_')))"
    code = f"import sys, durable_host.testing.pytest_plugin; {show}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    light = ["", ".testing", ".testing.chosen_app", ".testing.pytest_plugin"]
    assert found == f"{[f'durable_host{name}' for name in light]}\n"


@pytest.mark.parametrize(
    "test",
    [
        "test_plain",
        "test_empty_again",
        "test_async_without_another_plugin",
        "test_async_with_a_default",
        "test_loggers_have_no_level_of_their_own_without_an_app",
        "test_async_with_a_mark",
        "test_settings_of_the_ini_file",
        "test_settings_of_a_mark",
        "test_app_of_a_mark",
        "TestWithUnittest::test_fixture",
    ],
)
def test_the_fixture_serves(run: Run, test: str) -> None:
    assert run.passed(test), run.output


def test_the_live_fixture_and_replays_serve(root: Path) -> None:
    """In a pytest that is started: a forked one has imported the modules of all that it may need."""
    command = pytest_command("--strict-markers", "-rA", "live")
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100, check=False)
    assert "4 passed" in done.stdout, done.stdout


def test_an_app_is_loaded_once_for_the_same_settings(run: Run) -> None:
    assert len(run.root.joinpath("loads").read_text().splitlines()) == 2
    assert len(run.root.joinpath("other", "loads").read_text().splitlines()) == 1


def test_a_failure_shows_the_line_of_the_test_and_the_instance(run: Run) -> None:
    _, _, failure = run.output.partition("___ test_fails ___")
    assert [word for line in failure.splitlines() if line.startswith(">") for word in line.split()] == [
        ">",
        'function_app.start("approval",',
        'instance_id="order-7").wait_until(waiting_for="Aproval")',
    ]
    assert "E       durable_host.testing.instance_record.StillRunning: The instance 'order-7'" in failure
    assert "Until now it has waited for 'Approval', not for 'Aproval'." in failure
    assert "'order-7' (approval): Completed" in failure.partition("Instances of function_app")[2]


def test_an_app_that_does_not_load_fails_each_test_with_the_reason(run: Run) -> None:
    assert "ERROR broken/test_broken.py::test_one" in run.output
    assert "ERROR broken/test_broken.py::test_two" in run.output
    assert run.output.count("No module named 'a_module_that_is_missing'") >= 2


@pytest.mark.parametrize(
    ("folder", "told"), [("nowhere", "nowhere is not a folder"), ("", "Unable to find project root")]
)
def test_a_folder_without_an_app_is_refused_with_the_ways_to_name_one(tmp_path: Path, folder: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        FunctionApp(tmp_path / folder)
    assert "--function-app" in str(refused.value.remedy)


def test_the_option_names_another_app(root: Path) -> None:
    test = root / "test_option.py"
    test.write_text('def test_other(function_app):\n    assert function_app.start("other").status == "Completed"\n')
    assert "1 passed" in pytest_in(root, "-q", "--function-app", "other", str(test))


@pytest.mark.parametrize(
    ("mark", "settings", "told"),
    [
        ("seting={}", "", "it takes no seting. Its arguments are root, settings, python, real_accounts."),
        ("'.', {}, None, [], 4", "", "it takes no 4."),
        ("real_accounts='Archive'", "", 'Write a list of names: real_accounts=["Archive"].'),
        ("", "GREETING", "The line 'GREETING' of 'durable_host_settings' in the ini file sets nothing."),
    ],
)
def test_a_choice_that_changes_nothing_is_refused(tmp_path: Path, mark: str, settings: str, told: str) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "pytest.ini").write_text(f"[pytest]\ndurable_host_settings = {settings}\n")
    decorated = f"import pytest\n@pytest.mark.function_app({mark})\ndef test_it(function_app): pass\n"
    (tmp_path / "test_it.py").write_text(decorated)
    output = pytest_in(tmp_path, "-q")
    assert told in output.replace("\n", " "), output


def test_unittest_needs_no_pytest(root: Path) -> None:
    command = [sys.executable, "-m", "unittest", "-v", "unittests"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr.rstrip().endswith("OK"), done.stderr
    assert "Ran 5 tests" in done.stderr
