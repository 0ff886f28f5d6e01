"""A test that fails shows its own line, and no code of the test kit."""

import re
from pathlib import Path

import pytest
from other_pytest import run_pytest

APP = """
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
ACCOUNT = "AzureWebJobsStorage"


@app.orchestration_trigger(context_name="context")
def approval(context):
    yield context.call_activity("charge", 1)
    return (yield context.wait_for_external_event("Approval"))


@app.activity_trigger(input_name="amount")
def charge(amount: int) -> int:
    return amount


@app.route(route="page")
@app.queue_output(arg_name="out", queue_name="letters", connection=ACCOUNT)
def page(req: func.HttpRequest, out: func.Out[str]):
    out.set("letter")
    return "no JSON"


@app.queue_trigger(arg_name="message", queue_name="orders", connection=ACCOUNT)
def fails(message: func.QueueMessage):
    raise ValueError("the app's own error")
"""
STEPS = {
    "app.advance(3)": "TypeError",
    "app.advance(days=-1)": "ValueError",
    "app.start('nothing')": "UnknownFunction",
    "app.start('approval', object())": "TypeError",
    "app.start('approval', instance_id='@a')": "InvalidInstanceId",
    "[app.start('approval', instance_id='a') for _ in range(2)]": "InstanceExists",
    "app.instances(status='Nothing')": "ValueError",
    "app.activity('nothing')": "LookupError",
    "app.output('nothing')": "LookupError",
    "app.call('nothing')": "LookupError",
    "app.call('fails')": "FunctionFailed",
    "app.call('fails', object())": "TypeError",
    "app.replay('missing.json')": "FileNotFoundError",
    "app.replay([])": "ValueError",
    "app.replay([{'EventType': 'Nothing'}])": "ValueError",
    "app.queue('q', connection='Nothing').send('a')": "ConnectionMissing",
    "app.container('c', connection='Nothing').upload('a', 'b')": "ConnectionMissing",
    "app.table('t', connection='Nothing').rows()": "ConnectionMissing",
    "app.queue('q').send('a', json=1)": "TypeError",
    "app.queue('q').send(json=object())": "TypeError",
    "app.queue('NO NAME').send('a')": "InvalidRequest",
    "app.container('NO NAME').upload('a', 'b')": "InvalidRequest",
    "app.container('c').download('a')": "LookupError",
    "app.table('T').upsert({})": "ValueError",
    "app.table('T').upsert({'PartitionKey': 'p', 'RowKey': 'r', 'X': object()})": "InvalidRequest",
    "app.entity('nothing', 'k').signal('x')": "UnknownFunction",
    "app.client.get('http://example.com/')": "ValueError",
    "app.client.post('/api/page', json=1, content='a')": "ValueError",
    "app.client.post('/api/page', json=object())": "TypeError",
    "app.client.get('/api/nothing').raise_for_status()": "HttpStatusError",
    "app.client.get('/api/page').json()": "ValueError",
    "app.client.stream('GET', 'http://example.com/').__enter__()": "ValueError",
    "app.instance('none').wait(timedelta(days=1))": "StillRunning",
    "app.instance('none').wait_until()": "TypeError",
    "app.instance('none').wait_until(status='Nothing')": "ValueError",
    "app.instance('none').wait_until(waiting_for='x')": "StillRunning",
    "app.start('approval').purge()": "NotTerminal",
    "app.start('approval').rewind()": "NotFailed",
    "app.start('approval').history.assert_matches([])": "AssertionError",
    "app.start('approval').history.assert_contains(['TimerFired'])": "AssertionError",
    "app.start('approval').history.assert_not_contains('ExecutionStarted')": "AssertionError",
    "app.start('approval').ledger.assert_taken('Approval')": "AssertionError",
    "app.start('approval').raise_event('Approval').ledger.assert_not_taken('Approval')": "AssertionError",
    "app.start('approval').raise_event('Other').raise_event('Approval').ledger.assert_none_lost()": "AssertionError",
    "app.activity('charge').returns(object())": "TypeError",
    "app.activity('charge').returns_each(object())": "TypeError",
    "app.activity('charge').fails_with('x', times=0)": "ValueError",
    "app.activity('charge').runs(print, times=0)": "ValueError",
    "app.activity('charge').assert_called()": "AssertionError",
    "app.activity('charge').assert_called_once()": "AssertionError",
    "app.activity('charge').assert_called_with(1)": "AssertionError",
    "app.activity('charge').assert_called_once_with(1)": "AssertionError",
    "app.activity('charge').assert_any_call(1)": "AssertionError",
    "app.activity('charge').assert_has_calls([1])": "AssertionError",
    "app.output('page').discards(times=0)": "ValueError",
    "app.output('page').assert_wrote('a')": "AssertionError",
    "app.output('page').assert_wrote_exactly('a')": "AssertionError",
    "app.start('approval', instance_id='b').wait_until(condition=lambda one: 1 / 0)": "ZeroDivisionError",
    "[app.client.get('/api/page'), app.output('page').json]": "ValueError",
    "[app.client.get('/api/page'), app.output('page').assert_wrote_nothing()]": "AssertionError",
    "[app.start('approval'), app.activity('charge').assert_not_called()]": "AssertionError",
    "assert_replays()": "TypeError",
    "assert_replays('missing*.json')": "AssertionError",
    "chaos_runs(app, print, runs=0)": "ValueError",
    "chaos_runs(app, print, nothing=1)": "ConfigurationError",
    "chaos_runs(app, print, schedule=['nothing'])": "ValueError",
    "chaos_runs(app, lambda app: 1 / 0, runs=1)": "ChaosFailed",
    "FunctionApp('missing')": "ConfigurationError",
    "LiveFunctionApp('missing')": "ConfigurationError",
    "VirtualHost('.').start('approval')": "RuntimeError",
    **{
        f"app.instance('none').{member}": "InstanceNotFound"
        for member in (
            "name", "status", "input", "output", "error", "custom_status", "created", "last_updated", "waits",
            "history", "ledger", "children", "raise_event('a')", "terminate()", "suspend()", "resume()", "rewind()",
            "restart()", "purge()", "report()",
        )
    },
}  # fmt: skip
HEAD = """
import unittest
from datetime import timedelta

import pytest
from durable_host.testing import FunctionApp, LiveFunctionApp, VirtualHost, assert_replays, chaos_runs

"""
STEP_OF_A_CASE = "self.app.start('approval', object())"
CASE = f"""

class Case(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def use(self, function_app):
        self.app = function_app

    def test_{len(STEPS)}(self):
        {STEP_OF_A_CASE}
"""
_SECTION = re.compile(r"^_+ (?:Case\.)?test_(\d+) _+$", re.MULTILINE)


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What pytest shows for each step, run once for all of them."""
    root = tmp_path_factory.mktemp("app")
    (root / "function_app.py").write_text(APP)
    (root / "host.json").write_text('{"version": "2.0"}')
    tests = "".join(f"\n\ndef test_{number}(function_app):\n    app = function_app\n    {step}\n"
                    for number, step in enumerate(STEPS))  # fmt: skip
    (root / "test_steps.py").write_text(HEAD + tests + CASE)
    done = run_pytest("-q", "--tb=short", "--show-capture=no", ".", folder=root, limit=240)
    _, *parts = _SECTION.split(done.stdout)
    return {int(number): text for number, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize(("number", "step"), list(enumerate([*STEPS, STEP_OF_A_CASE])))
def test_a_failure_shows_the_line_of_the_test_and_the_error_only(
    sections: dict[int, str], number: int, step: str
) -> None:
    shown = sections[number].partition("- Instances of")[0].partition("=====")[0]
    places = re.findall(r"^(\S+\.py):\d+: in ", shown, re.MULTILINE)
    assert f"    {step}" in shown
    assert [Path(place).name for place in places if Path(place).name != "test_steps.py"] == []
    error = STEPS.get(step, "TypeError")
    assert re.search(rf"^E +(?:[\w.]+\.)?{error}(?::|$)", shown, re.MULTILINE), shown
