"""The storage that the code of an app uses is found in its files."""

from pathlib import Path

import pytest

from durable_host.config import load
from durable_host.host.code_storage import connection_of_code

DEVELOPMENT = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}


def used(root: Path, file: str, code: str, settings: dict[str, str]) -> str | None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
    (root / "host.json").write_text('{"version": "2.0"}')
    found = connection_of_code(load(root, environ=settings))
    return found.setting if found is not None else None


@pytest.mark.parametrize(
    "code",
    [
        'os.environ["AzureWebJobsStorage"]',
        "os.environ.get('AzureWebJobsStorage')",
        'getenv(key="AzureWebJobsStorage")',
        'environ.get( "AzureWebJobsStorage", "")',
    ],
)
def test_reading_the_setting_of_a_development_account_counts(tmp_path: Path, code: str) -> None:
    assert used(tmp_path, "shared/clients.py", code, DEVELOPMENT) == "AzureWebJobsStorage"


@pytest.mark.parametrize(
    ("file", "code", "settings"),
    [
        ("function_app.py", '@app.queue_trigger("m", "q", connection="AzureWebJobsStorage")', DEVELOPMENT),
        ("function_app.py", 'os.environ["HOME"]\nconnection = "AzureWebJobsStorage"', DEVELOPMENT),
        (".venv/lib/x.py", 'os.environ["AzureWebJobsStorage"]', DEVELOPMENT),
        ("tests/x.py", 'os.environ["AzureWebJobsStorage"]', DEVELOPMENT),
        ("function_app.py", 'os.environ["AzureWebJobsStorage"]', {"AzureWebJobsStorage": ""}),
        ("function_app.py", 'os.environ["Other"]', {**DEVELOPMENT, "Other": "UseDevelopmentStorage=maybe"}),
    ],
)
def test_everything_else_does_not(tmp_path: Path, file: str, code: str, settings: dict[str, str]) -> None:
    assert used(tmp_path, file, code, settings) is None


def test_settings_of_any_name_count(tmp_path: Path) -> None:
    settings = {"MY_STORAGE": "UseDevelopmentStorage=true;"}
    assert used(tmp_path, "function_app.py", 'os.environ["MY_STORAGE"]', settings) == "MY_STORAGE"


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        ("src/clients.js", "process.env.AzureWebJobsStorage", "AzureWebJobsStorage"),
        ("src/clients.mjs", "env['AzureWebJobsStorage']", "AzureWebJobsStorage"),
        ("src/clients.js", "const connection = 'AzureWebJobsStorage';", None),
        ("src/clients.js", "process.env.AzureWebJobsStorageOfOthers", None),
        ("node_modules/x/index.js", "process.env.AzureWebJobsStorage", None),
        ("tool.py", "os.environ['AzureWebJobsStorage']", None),
    ],
)
def test_files_of_nodejs_apps_are_searched_for_their_own_reads(
    tmp_path: Path, file: str, code: str, expected: str | None
) -> None:
    settings = {**DEVELOPMENT, "FUNCTIONS_WORKER_RUNTIME": "node"}
    assert used(tmp_path, file, code, settings) == expected
