"""Each output of the host hides secrets. test_redaction.py tests what counts as one."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from durable_host import spans
from durable_host.cli import banner, command_failure
from durable_host.cli.console import Console
from durable_host.cli.doctor import command as doctor
from durable_host.cli.doctor import findings
from durable_host.cli.presenter import ConsolePresenter
from durable_host.config.log_levels import LogLevels
from durable_host.config.start_options import FunctionLine, StartSummary
from durable_host.durable.api import answers
from durable_host.errors import HostError
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.redaction import HIDDEN
from durable_host.triggers.http.absent import AbsentHttpFunction, AbsentRoutes
from durable_host.triggers.http.failure_reply import failure_reply
from durable_host.triggers.mcp import jsonrpc
from durable_host.web.function_json import DescribedFunction, function_json
from durable_host.web.home import home_page

CONNECTION = "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=U0VDUkVU;EndpointSuffix=core.windows.net"
SECRET = "U0VDUkVU"


def is_clean(text: str) -> bool:
    return SECRET not in text and HIDDEN in text


@pytest.mark.parametrize("mode", ["plain", "compact", "json"])
def test_log_lines_and_their_exceptions(mode: str) -> None:
    stream = io.StringIO()
    with Console(stream, LogLevels(), mode=mode, coloured=False, verbose=True):  # type: ignore[arg-type]
        logging.getLogger("Host.Startup").info("with %s", CONNECTION, extra={"brief": f"brief {CONNECTION}"})
        told = {"type": "ValueError", "message": CONNECTION, "hint": CONNECTION, "line": 1}
        logging.getLogger("Function.f").error("failed: %s", CONNECTION, extra={"exception": told})
        try:
            raise ValueError(CONNECTION)
        except ValueError:
            logging.getLogger("Host.Startup").exception("it failed")
    assert is_clean(stream.getvalue())


@pytest.mark.parametrize("mode", ["plain", "compact", "json"])
def test_listing_and_progress(mode: str) -> None:
    stream = io.StringIO()
    function = FunctionLine(name="q", kind="queueTrigger", reason=f"no setting '{CONNECTION}'")
    with Console(stream, LogLevels(), mode=mode, coloured=False, verbose=True) as console:  # type: ignore[arg-type]
        presenter = ConsolePresenter(console, verbose=True)
        presenter.progress(f"opening {CONNECTION}")
        presenter.started(StartSummary(base_url="http://localhost:1", functions=(function,), storage=CONNECTION))
    assert is_clean(stream.getvalue())
    assert "http://localhost:1" in stream.getvalue()


def test_a_hidden_reason_leaves_the_colours_whole() -> None:
    function = FunctionLine(name="q", kind="queueTrigger", reason=CONNECTION)
    text = banner.render(StartSummary(base_url="http://x", functions=(function,)), "compact", coloured=True)
    assert f"(not served: {HIDDEN})\x1b[0m" in text


def test_errors_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    error = HostError(f"message {CONNECTION}", cause=f"cause {CONNECTION}\nx?code={SECRET}", remedy=f"use {CONNECTION}")
    command_failure.report(error, debug=True)
    command_failure.report_unexpected(ValueError(CONNECTION), debug=True)
    assert is_clean(capsys.readouterr().err)


def test_doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def examine(root: Path) -> list[findings.Finding]:
        return [findings.problem("App", f"message {CONNECTION}", f"remedy {CONNECTION}")]

    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "examine", examine)
    for output in ("text", "json"):
        with pytest.raises(SystemExit):
            doctor.doctor(["--output", output])
        assert is_clean(capsys.readouterr().out)


def test_home_page() -> None:
    assert is_clean(home_page([FunctionLine(name="q", kind="queueTrigger", reason=f"no setting {CONNECTION}")]))


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_error_details_of_a_failed_function(accept: str) -> None:
    reply = failure_reply(
        function="f", error=f"ValueError: {CONNECTION}", stack=f"line\n{CONNECTION}", accept=accept, explain=True
    )
    assert is_clean(reply.body.decode())


def test_function_objects_of_the_admin_routes(tmp_path: Path) -> None:
    binding: Any = Binding(name="m", type="queueTrigger", direction="in", properties={"connection": CONNECTION})
    metadata = FunctionMetadata(name="q", bindings=(binding,), script_file="function_app.py", entry_point="q")
    described = function_json(DescribedFunction(name="q", metadata=metadata, root=tmp_path), "http://localhost:1")
    assert is_clean(json.dumps(described))


def test_errors_of_the_management_api() -> None:
    body = answers.error(400, f"message {CONNECTION}", f"exception {CONNECTION}").body
    assert is_clean(bytes(body).decode())  # type: ignore[arg-type]


def test_errors_of_the_mcp_server() -> None:
    error = jsonrpc.RpcError(jsonrpc.INVALID_PARAMS, f"message {CONNECTION}", {"uri": f"amqp://me:{SECRET}@x"})
    assert is_clean(json.dumps(jsonrpc.failure(error)))


def test_what_an_orchestration_returns_is_its_own() -> None:
    body = answers.json_answer({"output": CONNECTION}).body
    assert CONNECTION in bytes(body).decode()  # type: ignore[arg-type]


def test_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    span = spans.open_span("call", "server", spans.Parent(None), {"url": f"http://x/?code={SECRET}", "count": 3})
    assert span is not None
    span.fail(f"failed: {CONNECTION}")
    span.end()
    [ended] = exporter.get_finished_spans()
    assert is_clean(ended.to_json())
    assert ended.attributes is not None
    assert ended.attributes["count"] == 3


def test_the_reason_why_a_function_is_not_served(caplog: pytest.LogCaptureFixture) -> None:
    trigger = Binding(name="req", type="httpTrigger", direction="in")
    routes = AbsentRoutes([AbsentHttpFunction(name="f", trigger=trigger, reason=CONNECTION)], "api", explain=True)
    for accept in ("text/html", "application/json"):
        reply = routes.reply("GET", "/api/f", accept)
        assert reply is not None
        assert is_clean(reply.body.decode())
    assert is_clean(caplog.text)
