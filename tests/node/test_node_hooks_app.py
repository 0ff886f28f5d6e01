"""The app `hooks`: hooks at start, before and after calls, at log lines and at the end."""

from collections.abc import Iterator

import pytest
from host_process import HostProcess


@pytest.fixture(scope="module", params=["newest", "middle"])
def host(request: pytest.FixtureRequest, start_node_app) -> Iterator[HostProcess]:
    host = start_node_app("hooks", kind=request.param)
    yield host
    assert host.stop() == 0
    assert (host.root / "src" / "terminated.txt").exists()


def test_start_hook_runs_before_the_functions_are_served(host: HostProcess) -> None:
    lines = host.lines
    hook = next(number for number, line in enumerate(lines) if "app start hook ran" in line)
    ready = next(number for number, line in enumerate(lines) if "Listening:" in line)
    assert hook < ready


def test_hooks_run_in_order_and_share_the_data_of_the_call(host: HostProcess) -> None:
    assert host.get("/api/reports").json() == {"order": ["first", "second"], "app": "yes"}


def test_hooks_change_handler_and_result(host: HostProcess) -> None:
    response = host.get("/api/changed")
    assert (response.status_code, response.text, response.headers["x-wrapped"]) == (203, "from the handler", "yes")


def test_hook_handles_an_error(host: HostProcess) -> None:
    response = host.get("/api/handled")
    assert (response.status_code, response.text) == (200, "handled by a hook")


def test_hook_that_throws_refuses_the_call(host: HostProcess) -> None:
    assert host.get("/api/refused").status_code == 500
    host.wait_for("refused by a hook")


def test_member_of_a_hook_context_cannot_be_replaced(host: HostProcess) -> None:
    assert host.get("/api/readonly").json()[2].startswith("Cannot assign to read only property 'invocationContext'")


def test_log_hook_changes_text_and_level(host: HostProcess) -> None:
    assert host.get("/api/logs").status_code == 200
    host.wait_for(r"the \*\*\* word")
    host.wait_for("promote me")
