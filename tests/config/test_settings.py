"""local.settings.json, precedence and `%NAME%`.

Source: docs/protocol/functions-host-config.md#local-settings,
    docs/protocol/functions-host-config.md#precedence-of-settings,
    docs/protocol/functions-host-expressions.md#settings-in-bindings
"""

import json
from pathlib import Path

import pytest

from durable_host.config import AppSettings, HostConfig, Overrides, SettingMissing, load, resolve_percent
from durable_host.config.project import find_root
from durable_host.errors import ConfigurationError, UsageError


def load_settings(
    root: Path, content: dict | str, environ: dict[str, str] | None = None, overrides: Overrides | None = None
) -> HostConfig:
    (root / "host.json").write_text('{"version": "2.0"}', "utf-8")
    text = content if isinstance(content, str) else json.dumps(content)
    (root / "local.settings.json").write_text(text, "utf-8")
    return load(root, environ=environ or {}, overrides=overrides or Overrides())


def test_scalars_become_text(tmp_path: Path):
    values = {"a": "x", "b": 5, "c": True, "d": 1.5, "e": False, "f": ""}
    settings = load_settings(tmp_path, {"IsEncrypted": False, "Values": values}).settings
    assert [settings[name] for name in "abcdef"] == ["x", "5", "True", "1.5", "False", ""]


def test_missing_file_is_as_good_as_an_empty_one(tmp_path: Path):
    (tmp_path / "host.json").write_text('{"version": "2.0"}', "utf-8")
    assert load(tmp_path, environ={}).warnings == ()


def test_missing_is_encrypted_counts_as_false(tmp_path: Path):
    assert load_settings(tmp_path, {"Values": {"A": "1"}}).settings["A"] == "1"


def test_encrypted_file_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, {"IsEncrypted": True, "Values": {"A": "zzz"}})
    assert "'IsEncrypted' is true" in caught.value.message
    assert "func settings decrypt" in (caught.value.remedy or "")


@pytest.mark.parametrize("nested", [{"B": 1}, [1, 2]])
def test_nested_value_is_refused(tmp_path: Path, nested: object):
    with pytest.raises(ConfigurationError, match=r"local\.settings\.json: 'Values\.A' is .*flat object"):
        load_settings(tmp_path, {"Values": {"A": nested}})


@pytest.mark.parametrize(("name", "value"), [("A=B", "x"), ("A", "x\0y"), ("A\0", "x"), ("A", "\ud800")])
def test_what_cannot_be_in_an_environment_is_refused(tmp_path: Path, name: str, value: str):
    with pytest.raises(ConfigurationError, match="cannot be put into the environment"):
        load_settings(tmp_path, {"Values": {name: value}})


@pytest.mark.parametrize("text", ["{", "[]", '{"Values": {"A": }}'])
def test_broken_file_is_refused(tmp_path: Path, text: str):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path, text)
    path = tmp_path.resolve() / "local.settings.json"
    assert caught.value.message.startswith(
        f"Failed to read app settings file at '{path}'. Ensure it is a valid JSON file."
    )


def test_null_is_skipped_with_a_warning(tmp_path: Path):
    config = load_settings(tmp_path, {"Values": {"A": None}})
    assert "A" not in config.settings
    assert "Skipping 'A' because value is null" in config.warnings


def test_environment_wins_with_one_summary_of_the_names(tmp_path: Path):
    config = load_settings(tmp_path, {"Values": {"A": "file", "B": "file", "C": "same", "D": "file"}},
                           {"A": "env", "b": "env", "C": "same", "D": ""})  # fmt: skip
    assert [config.settings[name] for name in "ABCD"] == ["env", "env", "same", "file"]
    (warning,) = config.warnings
    assert warning == "Skipping 'A', 'B' from local settings as already defined in current environment variables."


def test_connection_strings_are_settings_of_their_own_section(tmp_path: Path):
    content = {"ConnectionStrings": {"SqlDb": "one", "Other": {"ConnectionString": "two", "ProviderName": "p"}}}
    settings = load_settings(tmp_path, content).settings
    assert settings["ConnectionStrings:SqlDb"] == "one"
    assert settings["ConnectionStrings__Other"] == "two"


def test_host_section_gives_address_port_and_cors(tmp_path: Path):
    host = {
        "LocalHttpPort": 8080,
        "LocalHttpAddress": "0.0.0.0",
        "CORS": "http://a, http://b/",
        "CORSCredentials": True,
    }
    config = load_settings(tmp_path, {"Host": host})
    assert (config.port, config.address) == (8080, "0.0.0.0")
    assert (config.cors, config.cors_credentials) == (("http://a", "http://b"), True)


def test_options_win_over_the_host_section(tmp_path: Path):
    content = {"Host": {"LocalHttpPort": 8080, "CORS": "*"}}
    config = load_settings(tmp_path, content, overrides=Overrides(port=9, address="::1", cors="http://c"))
    assert (config.port, config.address, config.cors) == (9, "::1", ("http://c",))


def test_credentials_for_every_origin_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="every origin"):
        load_settings(tmp_path, {"Host": {"CORS": "*", "CORSCredentials": True}})


@pytest.mark.parametrize("port", ["x", 0, 65536])
def test_impossible_port_is_refused(tmp_path: Path, port: object):
    with pytest.raises(ConfigurationError, match=r"'Host\.LocalHttpPort' is .* from 1 to 65535"):
        load_settings(tmp_path, {"Host": {"LocalHttpPort": port}})


def test_variables_that_are_always_set(tmp_path: Path):
    config = load_settings(tmp_path, {"Values": {"AZURE_FUNCTIONS_ENVIRONMENT": "Staging"}})
    settings = config.settings
    assert settings["WEBSITE_HOSTNAME"] == "localhost:7071"
    assert settings["AzureWebJobsScriptRoot"] == str(tmp_path.resolve())
    assert settings["AZURE_FUNCTIONS_ENVIRONMENT"] == "Development"
    assert settings["FUNCTIONS_CORETOOLS_ENVIRONMENT"] == "true"
    assert settings["PYTHON_ENABLE_DEBUG_LOGGING"] == "1"
    assert any("'Staging' is not used" in text for text in config.warnings)


def test_key_vault_reference_is_warned_about(tmp_path: Path):
    config = load_settings(tmp_path, {"Values": {"Secret": "@Microsoft.KeyVault(SecretUri=https://v/secrets/s)"}})
    assert any("Unable to resolve the Key Vault reference for setting: Secret" in text for text in config.warnings)


@pytest.mark.parametrize(("runtime", "is_told"), [("node", False), ("java", True), ("Python", False)])
def test_worker_runtime_of_another_language_is_warned_about(tmp_path: Path, runtime: str, is_told: bool):
    config = load_settings(tmp_path, {"Values": {"FUNCTIONS_WORKER_RUNTIME": runtime}})
    assert any(f"FUNCTIONS_WORKER_RUNTIME is '{runtime}'" in text for text in config.warnings) is is_told


def test_lookup_ignores_case_and_the_exact_spelling_wins():
    settings = AppSettings({"Name": "1", "NAME": "2", "A__b": "3"})
    assert settings["Name"] == "1"
    assert settings["name"] == "2"
    assert settings["a:B"] == "3"
    assert "nAmE" in settings
    assert settings.get("other") is None


def test_percent_is_replaced_by_the_setting():
    settings = AppSettings({"Q": "orders", "Empty": ""})
    assert resolve_percent("a-%q%-%Q%", settings) == "a-orders-orders"
    assert resolve_percent("[%Empty%]", settings) == "[]"
    assert resolve_percent("plain", settings) == "plain"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%NAME%", "'%NAME%' does not resolve to a value."),
        ("x-%NAME%-y", "'%NAME%' does not resolve to a value."),
        ("ab%c", "The '%' at position 2 does not have a closing '%'"),
        ("%%", "'%%' does not resolve to a value."),
    ],
)
def test_percent_that_leads_nowhere_is_refused(text: str, message: str):
    with pytest.raises(SettingMissing) as caught:
        resolve_percent(text, AppSettings({}))
    assert caught.value.message == message


@pytest.mark.parametrize("marker", ["host.json", "local.settings.json"])
def test_project_root_is_the_nearest_folder_with_a_marker(tmp_path: Path, marker: str):
    inner = tmp_path / "app" / "functions" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "app" / marker).write_text("{}", "utf-8")
    assert find_root(inner) == (tmp_path / "app").resolve()


def test_no_project_root_is_refused_in_the_words_of_the_reference(tmp_path: Path):
    with pytest.raises(ConfigurationError) as caught:
        find_root(tmp_path)
    assert caught.value.message == (
        "Unable to find project root. Expecting to find one of host.json, local.settings.json in project root."
    )


@pytest.mark.parametrize("files", [("package.json",), ("package.json", "function_app.py"), ("requirements.txt",), ()])
@pytest.mark.parametrize(
    ("named", "expected"),
    [("node", "node"), ("TypeScript", "node"), ("javascript", "node"), ("python", "python"), (None, None)],
)
def test_language_of_an_app_is_the_named_one_or_that_of_its_files(
    tmp_path: Path, files: tuple[str, ...], named: str | None, expected: str | None
):
    for name in files:
        (tmp_path / name).write_text("{}")
    config = load_settings(tmp_path, {"Values": {"FUNCTIONS_WORKER_RUNTIME": named} if named else {}})
    if expected is None:
        expected = "node" if files == ("package.json",) else "python"
        is_guessed = expected == "node"
        assert any("FUNCTIONS_WORKER_RUNTIME is not set" in text for text in config.warnings) is is_guessed
    assert config.runtime == expected
