"""The log handler: filtering, order, flushing, and output that nobody reads."""

import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from durable_host.cli import progress_line
from durable_host.cli.console import Console
from durable_host.cli.presenter import ConsolePresenter
from durable_host.config.log_levels import NEVER, LogLevels


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def console(stream: TextIO, levels: LogLevels | None = None, **options: object) -> Console:
    settings: dict = {"mode": "plain", "coloured": False, "verbose": False, **options}
    return Console(stream, levels or LogLevels(), **settings)


def messages(stream: io.StringIO) -> list[str]:
    return [line.partition("] ")[2] for line in stream.getvalue().splitlines()]


def test_leaving_writes_everything_in_order():
    stream = io.StringIO()
    with console(stream):
        for number in range(2000):
            logging.getLogger("Function.f.User").info("%d", number)
    assert messages(stream) == [str(number) for number in range(2000)]


def test_user_records_are_shown_from_information_and_system_records_from_warning():
    stream = io.StringIO()
    with console(stream):
        logging.getLogger("Function.f.User").info("user information")
        logging.getLogger("Function.f.User").debug("user debug")
        logging.getLogger("Host.Startup").info("system information")
        logging.getLogger("Host.Startup").warning("system warning")
    assert messages(stream) == ["user information", "system warning"]


def test_messages_of_the_host_that_no_level_hides_are_hidden_like_others_if_the_app_logs_them():
    stream = io.StringIO()
    with console(stream, LogLevels(rules=(("function.quiet", logging.WARNING),))):
        logging.getLogger("Host.Triggers.DurableTask").info("Retention: instances are purged")
        logging.getLogger("Function.quiet.User").info("Retention: 5 days")
        logging.getLogger("Function.other.User").info("Retention: 6 days")
    assert messages(stream) == ["Retention: instances are purged", "Retention: 6 days"]


def test_verbose_shows_system_information():
    stream = io.StringIO()
    with console(stream, verbose=True):
        logging.getLogger("Host.Startup").info("shown")
    assert messages(stream) == ["shown"]


def test_quiet_shows_what_the_app_says_and_warnings_only():
    stream = io.StringIO()
    with console(stream, LogLevels(rules=(("host", logging.INFO),)), quiet=True):
        logging.getLogger("Function.f").info("Executing 'Functions.f'")
        logging.getLogger("Host.Startup").info("system information")
        logging.getLogger("Function.f.User").info("user information")
        logging.getLogger("Host.Function.Console").info("printed")
        logging.getLogger("Function.f").error("Executed 'Functions.f' (Failed)")
    assert messages(stream) == ["user information", "printed", "Executed 'Functions.f' (Failed)"]


def test_lines_that_editors_look_for_pass_every_filter():
    stream = io.StringIO()
    with console(stream, LogLevels(default=NEVER)):
        logging.getLogger("Host.Worker").info("Worker process started and initialized.")
        logging.getLogger("Host.Lock").info("Host lock lease acquired by instance ID '%s'.", "00AB")
        logging.getLogger("Host.Lock").error("not shown")
    assert messages(stream) == [
        "Worker process started and initialized.",
        "Host lock lease acquired by instance ID '00AB'.",
    ]


def test_debug_rule_lets_debug_records_through():
    stream = io.StringIO()
    with console(stream, LogLevels(rules=(("host.triggers", logging.DEBUG),))):
        logging.getLogger("Host.Triggers.Queue").debug("shown")
        logging.getLogger("Host.Storage").debug("hidden")
    assert messages(stream) == ["shown"]


def test_libraries_of_the_host_are_quiet():
    stream = io.StringIO()
    with console(stream):
        logging.getLogger("azure.core.pipeline.policies.http_logging_policy").info("Request URL")
        logging.getLogger("azure.identity").warning("no credential")
    assert messages(stream) == ["no credential"]


def test_exception_is_shown_as_a_chain_of_causes():
    stream = io.StringIO()
    with console(stream):
        try:
            try:
                raise ValueError("inner")
            except ValueError as error:
                raise RuntimeError("outer.") from error
        except RuntimeError:
            logging.getLogger("Host.Startup").exception("It failed.")
    assert messages(stream) == ["It failed.", "RuntimeError: outer. ValueError: inner."]


def test_traceback_is_shown_when_asked_for():
    stream = io.StringIO()
    with console(stream, debug=True):
        try:
            raise ValueError("inner")
        except ValueError:
            logging.getLogger("Host.Startup").exception("It failed.")
    assert "Traceback (most recent call last):" in stream.getvalue()


def test_json_records_carry_function_invocation_and_instance():
    stream = io.StringIO()
    with console(stream, mode="json"):
        logging.getLogger("Function.f.User").info("a", extra={"invocation_id": "1", "instance_id": "2"})
        logging.getLogger("Host.Startup").error("b", extra={"function": "g"})
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["function"], first["invocationId"], first["instanceId"]) == ("f", "1", "2")
    assert (second["function"], second["level"], second["category"]) == ("g", "Error", "Host.Startup")


def test_secrets_are_hidden():
    stream = io.StringIO()
    with console(stream):
        logging.getLogger("Function.f.User").info("key is AccountKey=%s", "SECRET")
    assert messages(stream) == ["key is [Hidden Credential]"]


class Stalled(io.StringIO):
    """A stream whose reader waits until the test lets it read."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go_on = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.go_on.wait()
        return super().write(text)


@pytest.mark.parametrize("mode", ["plain", "json"])
def test_stalled_reader_costs_lines_but_never_stops_the_host(mode: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("durable_host.cli.console._CAPACITY", 10)
    stream = Stalled()
    with console(stream, mode=mode):
        logger = logging.getLogger("Function.f.User")
        logger.info("first")
        stream.entered.wait()
        for number in range(100):
            logger.info("%d", number)
        stream.go_on.set()
    shown = stream.getvalue()
    assert "first" in shown
    assert "90 log lines were dropped because the console was not read." in shown
    if mode == "json":
        assert all(json.loads(line) for line in shown.splitlines())


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_closed_stream_is_survived():
    with console(Closed()):
        logging.getLogger("Function.f.User").info("nobody hears this")


def test_a_flush_writes_what_is_there_without_waiting_for_the_next_turn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("durable_host.cli.console._PAUSE", 60)
    stream = io.StringIO()
    with console(stream) as shown:
        logger = logging.getLogger("Function.f.User")
        for text in ("first", "second", "third"):
            logger.info(text)
            shown.flush()
            assert messages(stream)[-1] == text


def test_a_flush_does_not_wait_for_a_reader_that_has_stalled(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("durable_host.cli.console._LONGEST_FLUSH", 0.01)
    stream = Stalled()
    with console(stream) as shown:
        logging.getLogger("Function.f.User").info("unread")
        shown.flush()
        assert stream.getvalue() == ""
        stream.go_on.set()
    shown.flush()
    assert messages(stream) == ["unread"]


def test_records_after_the_end_do_not_reach_the_stream_twice():
    stream = io.StringIO()
    handler = console(stream)
    with handler:
        pass
    handler.close()
    handler.write("late\n")
    logging.getLogger("Function.f.User").warning("unheard")
    assert stream.getvalue() == "late\n"


class Terminal(io.StringIO):
    """A terminal that encodes in UTF-8."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_the_status_stays_below_the_lines_and_is_removed_at_the_end():
    stream = Terminal()
    with console(stream, mode="compact") as shown:
        shown.show_status("building 1 s")
        wait_until(lambda: "1 s" in stream.getvalue())
        logging.getLogger("Host.Startup").warning("a line")
        wait_until(lambda: "a line" in stream.getvalue())
        shown.show_status("")
    first, line, end = stream.getvalue().split("\r\x1b[K")
    assert first == "building 1 s"
    assert line.endswith("a line\nbuilding 1 s")
    assert end == ""


@pytest.mark.parametrize(("encoding", "frames"), [("utf-8", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"), ("ascii", "|/-\\")])
def test_a_slow_step_is_a_moving_line_on_a_terminal(encoding: str, frames: str):
    stream = Terminal()
    stream.encoding = encoding
    with console(stream, mode="compact") as shown:
        presenter = ConsolePresenter(shown, verbose=False)
        with presenter.working("Building App.csproj") as report:
            report("  Restored App.csproj")
            wait_until(lambda: "Restored" in stream.getvalue())
    assert "Building App.csproj 0 s  Restored App.csproj" in stream.getvalue()
    assert any(frame in stream.getvalue() for frame in frames)
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_slow_step_is_a_line_now_and_then_without_a_terminal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress_line, "REPORT_SECONDS", 0.01)
    stream = io.StringIO()
    with console(stream) as shown:
        presenter = ConsolePresenter(shown, verbose=False)
        with presenter.working("Building App.csproj") as report:
            report("  Restored App.csproj")
            wait_until(lambda: "Restored" in stream.getvalue())
    assert messages(stream)[0] == "Building App.csproj ..."
    assert "Building App.csproj, 0 s so far: Restored App.csproj" in messages(stream)


def test_a_quiet_host_does_not_show_slow_steps():
    stream = Terminal()
    with (
        console(stream, mode="compact", quiet=True) as shown,
        ConsolePresenter(shown, verbose=False, quiet=True).working("Building App.csproj") as report,
    ):
        report("news")
    assert stream.getvalue() == ""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
