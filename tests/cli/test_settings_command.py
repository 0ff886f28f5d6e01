"""`func settings`.

Source: docs/protocol/functions-host-cli.md#settings-commands
"""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Func

FILE = """{
    "IsEncrypted": false,
    "Values": {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "Zahl": 5,
        "Größe": "weit"
    },
    "Host": {"LocalHttpPort": 8080},
    "ConnectionStrings": {
        "Sql": {"ConnectionString": "Server=x", "ProviderName": "p"},
        "Plain": "Server=y"
    }
}
"""


@pytest.fixture
def file(folder: Path) -> Path:
    (folder / "host.json").write_text('{"version": "2.0"}')
    path = folder / "local.settings.json"
    path.write_text(FILE, "utf-8")
    return path


def test_list_hides_the_values(func: Func, file: Path):
    assert func("settings", "list").out == (
        "App Settings:\n"
        "   -> Name: FUNCTIONS_WORKER_RUNTIME\n      Value: *****\n\n"
        "   -> Name: Zahl\n      Value: *****\n\n"
        "   -> Name: Größe\n      Value: *****\n\n"
        "Connection Strings:\n"
        "   -> Name: Sql\n      Value: *****\n      ProviderName: p\n\n"
        "   -> Name: Plain\n      Value: *****\n      ProviderName: \n\n"
    )


@pytest.mark.parametrize("flag", ["-a", "--showValue", "--showvalue"])
def test_list_shows_the_values_when_asked(func: Func, file: Path, flag: str):
    out = func("settings", "list", flag).out
    assert "   -> Name: Zahl\n      Value: 5\n" in out
    assert "      Value: Server=x\n" in out


def test_add_changes_one_line_only(func: Func, file: Path):
    assert func("settings", "add", "zahl", "6").code == 0
    expected = json.loads(FILE)
    expected["Values"]["Zahl"] = "6"
    assert json.loads(file.read_text("utf-8")) == expected
    lines = file.read_text("utf-8").splitlines()
    assert lines[:4] == FILE.splitlines()[:4]
    assert '        "Größe": "weit"' in lines


def test_add_and_delete_connection_strings(func: Func, file: Path):
    assert func("settings", "add", "Sql", "Server=z", "--connectionString").code == 0
    assert json.loads(file.read_text("utf-8"))["ConnectionStrings"]["Sql"] == {
        "ConnectionString": "Server=z",
        "ProviderName": "p",
    }
    assert func("settings", "delete", "Plain", "--connectionString").code == 0
    assert list(json.loads(file.read_text("utf-8"))["ConnectionStrings"]) == ["Sql"]


@pytest.mark.parametrize("command", ["delete", "remove"])
def test_delete_takes_the_name_in_any_case(func: Func, file: Path, command: str):
    assert func("settings", command, "größe").out == "Setting 'Größe' was deleted.\n"
    assert "Größe" not in file.read_text("utf-8")


def test_connection_string_is_not_deleted_as_a_setting(func: Func, file: Path):
    outcome = func("settings", "delete", "Sql")
    assert outcome.code == 2
    assert "try with --connectionString" in outcome.err
    assert file.read_text("utf-8") == FILE


def test_value_is_asked_for(func: Func, file: Path, terminal: Callable[..., None]):
    terminal("secret")
    outcome = func("settings", "add", "Token")
    assert outcome.code == 0
    assert "secret" not in outcome.out
    assert json.loads(file.read_text("utf-8"))["Values"]["Token"] == "secret"


def test_missing_file_is_made(func: Func, file: Path):
    file.unlink()
    assert func("settings", "add", "Token", "x").code == 0
    assert json.loads(file.read_text()) == {"IsEncrypted": False, "Values": {"Token": "x"}}


def test_comments_are_not_lost(func: Func, file: Path):
    text = FILE.replace("{\n", "{\n    // mine\n", 1)
    file.write_text(text, "utf-8")
    assert func("settings", "list").code == 0
    outcome = func("settings", "add", "Token", "x")
    assert outcome.code == 3
    assert "has comments, which this command would lose" in outcome.err
    assert file.read_text("utf-8") == text


def test_trailing_commas_are_not_comments(func: Func, file: Path):
    file.write_text('{"Values": {"A": "1",},}')
    assert func("settings", "add", "B", "http://x").code == 0
    assert json.loads(file.read_text())["Values"] == {"A": "1", "B": "http://x"}


def test_line_ends_links_and_permissions_stay(func: Func, file: Path, folder: Path):
    real = folder / "real.json"
    real.write_bytes(FILE.replace("\n", "\r\n").encode())
    real.chmod(0o600)
    file.unlink()
    file.symlink_to(real)
    assert func("settings", "add", "Token", "x").code == 0
    assert file.is_symlink()
    content = real.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n") > 5
    assert stat.S_IMODE(os.stat(real).st_mode) == 0o600
    assert [path.name for path in folder.iterdir() if path.name.startswith(".local")] == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "Ensure it is a valid JSON file."),
        ("[]", "It is not an object { … }."),
        ('{"Values": {"A": "1", "A": "2"}}', "'A' occurs twice."),
        ('{"Values": 5}', "'Values' is not an object { … }."),
        ('{"IsEncrypted": true, "Values": {}}', "is encrypted and cannot be read here"),
    ],
)
def test_file_that_cannot_be_used_is_left_alone(func: Func, file: Path, content: str, text: str):
    file.write_text(content)
    outcome = func("settings", "add", "B", "1")
    assert outcome.code == 3
    assert text in outcome.err
    assert file.read_text() == content


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["delete", "Zhal"], 2, "Did you mean 'Zahl'?"),
        (["delete", "Nothing"], 2, "There is no setting 'Nothing'"),
        (["add", "Token"], 2, "A value is missing."),
        (["add", " ", "x"], 2, "A setting needs a name."),
        (["encrypt"], 3, "is not encrypted by this program"),
        (["decrypt"], 0, ""),
    ],
)
def test_answers_to_what_cannot_be_done(func: Func, file: Path, arguments: list[str], code: int, text: str):
    outcome = func("settings", *arguments)
    assert outcome.code == code
    assert text in outcome.err
