"""The options `--chaos` and `--chaos-seed` of `func start`."""

from pathlib import Path

import pytest
from cli_runs import Func

REAL = "AccountName=shop;AccountKey=c2VjcmV0"


@pytest.fixture
def app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (folder / "host.json").write_text('{"version": "2.0"}', "utf-8")
    (folder / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n", "utf-8")
    monkeypatch.setenv("FUNCTIONS_WORKER_RUNTIME", "python")
    monkeypatch.setenv("AzureWebJobsStorage", REAL)
    return folder


@pytest.mark.usefixtures("app")
def test_an_invalid_value_is_an_error_of_the_command_line(func: Func) -> None:
    outcome = func("start", "--chaos", "duplicate-event=0.1")
    assert outcome.code == 2
    assert "error DH1006: The faults in --chaos are not valid." in outcome.err
    assert "'duplicate-event' is not a fault. Did you mean duplicate-events?" in outcome.err


@pytest.mark.usefixtures("app")
def test_an_invalid_value_elsewhere_is_an_error_of_the_configuration(
    func: Func, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURABLE_HOST_CHAOS", "kill-worker=2")
    outcome = func("start", "--port", "0")
    assert outcome.code == 3
    assert "error DH1006: The faults in DURABLE_HOST_CHAOS are not valid." in outcome.err


@pytest.mark.usefixtures("app")
def test_faults_on_a_real_account_are_refused_before_anything_starts(func: Func) -> None:
    outcome = func("start", "--port", "0", "--chaos", "kill-worker=0.1")
    assert outcome.code == 3
    assert "error DH1007: Faults are injected only on the development account or SQLite." in outcome.err


@pytest.mark.usefixtures("app")
def test_a_seed_is_a_whole_number(func: Func) -> None:
    assert func("start", "--chaos-seed", "seven").code == 2


@pytest.mark.usefixtures("app")
def test_a_seed_without_faults_is_ignored_with_a_warning(func: Func, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durable_host.host.run_host", lambda *_: 0)
    outcome = func("start", "--port", "0", "--chaos-seed", "7")
    assert outcome.code == 0
    assert "--chaos-seed is ignored: there is no --chaos." in outcome.out
