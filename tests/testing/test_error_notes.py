"""Errors in tests: code, cause and remedy are in the traceback, and name nothing that a test cannot use."""

from collections.abc import Callable
from pathlib import Path

import pytest

from durable_host.config import load, project
from durable_host.config.durable import ChaosSetting
from durable_host.errors import HostError
from durable_host.host.chosen_faults import chosen_faults
from durable_host.invocation import interpreter
from durable_host.invocation.python_worker import TOO_OLD, PythonWorker
from durable_host.testing.error_notes import with_notes

pytestmark = pytest.mark.unit

REAL = {"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=c2VjcmV0"}


def app_with(root: Path, settings: str = "{}") -> Path:
    (root / "host.json").write_text('{"version": "2.0"}')
    (root / "local.settings.json").write_text(settings)
    return root


def no_app(root: Path) -> None:
    project.find_root(root)


def faults_in_a_real_account(root: Path) -> None:
    chosen_faults(load(app_with(root), environ=REAL), ChaosSetting("duplicate-events=1", "DURABLE_HOST_CHAOS"))


def credentials_for_all_origins(root: Path) -> None:
    load(app_with(root, '{"Host": {"CORS": "*", "CORSCredentials": true}}'), environ={})


def unusable_interpreter(root: Path) -> None:
    raise PythonWorker().cannot_start(root / "python", "Permission denied")


def old_interpreter(root: Path) -> None:
    error = PythonWorker().refused(root / "python", TOO_OLD, "Python 3.8 is too old")
    assert error is not None
    raise error


def missing_interpreter(root: Path) -> None:
    interpreter.find_interpreter(root, explicit=str(root / "python"), environ={})


@pytest.mark.parametrize(
    ("fail", "code"),
    [
        (no_app, "DH1030"),
        (faults_in_a_real_account, "DH1007"),
        (credentials_for_all_origins, "DH1010"),
        (unusable_interpreter, "DH4004"),
        (old_interpreter, "DH4004"),
        (missing_interpreter, "DH4004"),
    ],
)
def test_a_remedy_names_what_tests_have_and_no_options_of_commands(
    tmp_path: Path, fail: Callable[[Path], None], code: str
) -> None:
    with pytest.raises(HostError) as failed:
        fail(tmp_path)
    notes = with_notes(failed.value).__notes__
    assert notes[0] == f"code: {code}"
    assert notes[-1].startswith("remedy: ")
    assert not any("func " in note or " --" in note for note in notes)


def test_notes_are_added_once() -> None:
    error = HostError("It failed.", cause="A cause.", remedy="A remedy.")
    assert with_notes(with_notes(error)).__notes__ == ["code: DH1000", "cause: A cause.", "remedy: A remedy."]
