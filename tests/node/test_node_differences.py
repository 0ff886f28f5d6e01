"""Each row about Node.js apps in docs/reference/differences.md has a test that shows it."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_pages import page
from host_process import HostProcess
from node_pools import running_node
from npm_packages import NpmPackages

HERE = Path(__file__).parent
ROWS = {
    "each episode replays the whole history and repeats": (
        "orchestrations",
        "test_a_session_logs_once_and_under_the_invocation_of_its_turn",
    ),
    "a task that is in a second `Task.any`": ("orchestrations", "test_tasks_listed_again_are_not_started_again"),
    "`throw 'text'` or an error without a message": ("orchestrations", "test_errors_of_the_code_fail_the_instance"),
    "if a retried call exceeds": ("orchestrations", "test_a_retry_that_is_given_up_ends"),
    "of tasks that completed before it was created": (
        "orchestrations",
        "test_a_task_that_can_never_complete_is_reported",
    ),
    "The error of a failed activity of a Node.js app": ("orchestrations", "test_the_failure_names_the_line"),
    "`context.df.lock` needs a version of the extension": (
        "entities_app",
        "test_locked_entities_are_changed_by_one_orchestration_at_a_time",
    ),
    "code that blocks the event loop": ("running", "test_code_that_blocks_the_loop_is_named"),
    "The entry points of a Node.js app are loaded": ("differences", "test_entry_points_are_loaded_by_depth_and_name"),
    "A streamed HTTP function of a Node.js app": ("streaming", "test_streamed_functions"),
    "with a `function.json` (model v3)": ("loading", "test_functions_of_the_old_model_are_listed_as_not_served"),
    "`error.cause` and the errors of an `AggregateError`": (
        "running",
        "test_causes_and_collected_errors_are_in_the_stack",
    ),
    "A Node.js app without `FUNCTIONS_WORKER_RUNTIME`": (
        "differences",
        "test_app_without_the_setting_runs_with_a_warning",
    ),
    "Apps do not start on Node.js 18": ("program", "test_a_version_whose_support_ends_is_noted"),
    "reloads with each file that changes in `node_modules`": ("reload", "test_the_end_of_an_installation_is_watched"),
    "each gets the same `--inspect` port": ("program", "test_inspect_becomes_the_debugger_of_the_first_process"),
    "With a proxy in the environment": ("program", "test_calls_to_the_host_do_not_go_through_a_proxy"),
}
"""Words of a row → the file and the test that shows it."""


def rows() -> list[str]:
    text = page("docs/reference/differences.md").text
    return [
        line for line in text.splitlines() if line.startswith("| ") and ("Node.js" in line or "`--inspect`" in line)
    ]


def names_in(file: str) -> list[str]:
    tree = ast.parse((HERE / f"test_node_{file}.py").read_text("utf-8"))
    return [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.unit
@pytest.mark.parametrize(("words", "test"), ROWS.items(), ids=range(len(ROWS)))
def test_row_has_its_test(words: str, test: tuple[str, str]) -> None:
    text = page("docs/reference/differences.md").text
    assert len([line for line in text.splitlines() if words in line]) == 1
    file, name = test
    assert name in names_in(file)


@pytest.mark.unit
def test_each_row_is_listed_here() -> None:
    assert [row for row in rows() if not any(words in row for words in ROWS)] == []


async def test_entry_points_are_loaded_by_depth_and_name(tmp_path: Path, npm_packages: NpmPackages) -> None:
    line = "require('@azure/functions').app.get('{name}', {{ handler: () => ({{}}) }});\n"
    names = {"src/b.js": "second", "src/a.js": "first", "src/a/c.js": "fourth", "src/a/b.js": "third"}
    files = {path: line.format(name=name) for path, name in names.items()}
    async with running_node(tmp_path / "app", files, npm_packages, package={"main": "src/**/*.js"}) as app:
        assert [function.name for function in app.index.functions] == ["first", "second", "third", "fourth"]


def test_app_without_the_setting_runs_with_a_warning(start_node_host: Callable[..., HostProcess]) -> None:
    app = {"src/functions/a.js": "require('@azure/functions').app.get('hello', { handler: () => ({ body: 'hi' }) });"}
    host = start_node_host(app, settings={"FUNCTIONS_WORKER_RUNTIME": ""})
    assert host.get("/api/hello").text == "hi"
    host.wait_for("FUNCTIONS_WORKER_RUNTIME is not set")
