"""The app `process`: what it prints, and what happens to calls when the worker process ends."""

import pytest
from host_process import HostProcess, until


@pytest.fixture(scope="module")
def host(start_node_app) -> HostProcess:
    return start_node_app("process", settings={"languageWorkers__node__arguments": "--max-old-space-size=120"})


def is_back(host: HostProcess) -> bool:
    """Whether the host answers with a new worker process."""
    return until(lambda: host.get("/api/pid").status_code == 200, host=host)


def test_console_lines_arrive_whole_and_in_order(host: HostProcess) -> None:
    assert host.get("/api/prints?word=alpha").status_code == 200
    host.wait_for("alpha parts$")
    lines = [line.rpartition("] ")[2] for line in host.lines if "alpha" in line and "Executing" not in line]
    assert [line for line in lines if line.startswith("alpha")] == ["alpha before", "alpha after", "alpha parts"]


def test_output_of_threads_and_children_arrives(host: HostProcess) -> None:
    assert host.get("/api/thread").status_code == 200
    host.wait_for("from a thread$")
    assert host.get("/api/child").text == "0"
    host.wait_for("from a child$")
    host.wait_for("and its errors$")


def test_line_logged_after_the_end_of_the_call_arrives(host: HostProcess) -> None:
    assert host.get("/api/logsLate").status_code == 200
    host.wait_for("a line after the end$")


def test_lines_before_an_exit_are_not_lost(host: HostProcess) -> None:
    before = host.get("/api/pid").text
    assert host.get("/api/exits").status_code == 500
    host.wait_for("line 499$")
    assert len([line for line in host.lines if "] line " in line]) == 500
    assert is_back(host)
    assert host.get("/api/pid").text != before


@pytest.mark.parametrize(("path", "text"), [("rejects", "nobody handles this"), ("throwsLater", "thrown from a timer")])
def test_uncaught_error_is_logged_and_the_worker_replaced(host: HostProcess, path: str, text: str) -> None:
    before = host.get("/api/pid").text
    assert host.get(f"/api/{path}").status_code == 500
    host.wait_for("Worker uncaught exception")
    host.wait_for(text)
    assert is_back(host)
    assert host.get("/api/pid").text != before


def test_call_that_takes_too_long_fails_and_the_worker_is_replaced(host: HostProcess) -> None:
    before = host.get("/api/pid").text
    assert host.get("/api/tooLong").status_code == 500
    host.wait_for(r"Timeout value of 00:00:02")
    assert is_back(host)
    assert host.get("/api/pid").text != before


def test_blocked_loop_ends_with_the_time_limit(host: HostProcess) -> None:
    assert host.get("/api/blocks").status_code == 500
    assert is_back(host)


def test_full_heap_is_reported_with_a_remedy(host: HostProcess) -> None:
    assert host.get("/api/heap").status_code == 500
    host.wait_for("heap out of memory")
    host.wait_for("--max-old-space-size")
    assert is_back(host)
