"""Deadlines of 2.x orchestrators, whose turns are a microsecond apart even if no time passes."""

from pathlib import Path

import pytest
from v2_environment import v2_interpreter

from durable_host.testing import FunctionApp

APP = """
from datetime import timedelta

import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def request(context):
    for number in range(3):
        yield context.call_activity("ask", number)
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=72))
    return "expired"


@app.activity_trigger(input_name="number")
def ask(number: int) -> int:
    return number
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    return root


def test_a_deadline_passes_when_the_test_advances_by_it(root: Path) -> None:
    with FunctionApp(root, python=v2_interpreter()) as app:
        request = app.start("request")
        app.advance(hours=71, minutes=59, seconds=59)
        assert request.status == "Running"
        app.advance(seconds=1)
        assert request.output == "expired"
