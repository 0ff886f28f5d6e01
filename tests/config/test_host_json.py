"""host.json: accepted and refused values, and the error texts.

Source: docs/protocol/functions-host-config.md#hostjson-file
"""

import json
from pathlib import Path
from typing import Any

import pytest

from durable_host.config import HostConfig, Overrides, load
from durable_host.config.extensions import McpOptions
from durable_host.config.notes import NOTES
from durable_host.config.retry import RetryOptions
from durable_host.errors import EXIT_CONFIGURATION, ConfigurationError


def write(root: Path, text: str) -> None:
    (root / "host.json").write_text(text, "utf-8")


def load_document(root: Path, document: dict, **environ: str) -> HostConfig:
    write(root, json.dumps({"version": "2.0", **document}))
    return load(root, environ=environ)


def extension(name: str, **settings: object) -> dict:
    return {"extensions": {name: settings}}


@pytest.mark.parametrize("existing", [None, "{}", "{ /* nothing yet */ }"])
def test_default_file_is_written_where_there_is_none(tmp_path: Path, existing: str | None):
    if existing is not None:
        write(tmp_path, existing)
    load(tmp_path, environ={})
    written = json.loads((tmp_path / "host.json").read_text("utf-8"))
    assert written == {
        "version": "2.0",
        "extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"},
    }


def test_comments_and_trailing_commas_are_accepted(tmp_path: Path):
    write(
        tmp_path,
        """\ufeff{ // the host
        "version": "2.0", /* a, comment, ] */
        "functions": ["a // no comment", "b",],
        "extensions": { "queues": { "batchSize": 4, }, },
        }""",
    )
    config = load(tmp_path, environ={})
    assert config.host.functions == ("a // no comment", "b")
    assert config.host.queues.batch_size == 4


def test_defaults_are_those_of_the_reference(tmp_path: Path):
    host = load_document(tmp_path, {}).host
    assert host.function_timeout == 1800
    assert host.http.route_prefix == "api"
    assert (host.queues.batch_size, host.queues.max_polling_interval, host.queues.max_dequeue_count) == (16, 2.0, 5)
    assert host.queues.message_encoding == "base64"
    assert host.blobs.poison_blob_threshold == 5
    assert host.file_watching_enabled
    assert host.retry is None
    assert host.functions is None


def test_new_batch_threshold_follows_the_batch_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    assert load_document(tmp_path, extension("queues", batchSize=9)).host.queues.new_batch_threshold == 12


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ('{"version": "2.0" "x": 1}', "line 1, column 19"),
        ('{\n  // fine\n  "version": oops\n}', "line 3, column 14"),
        ('{"version": "2.0"', "line 1"),
        ("", "line 1"),
    ],
)
def test_broken_json_is_refused_with_its_place(tmp_path: Path, text: str, position: str):
    write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    assert caught.value.message == f"Unable to parse host configuration file '{tmp_path.resolve() / 'host.json'}'."
    assert position in (caught.value.cause or "")
    assert caught.value.exit_code == EXIT_CONFIGURATION


@pytest.mark.parametrize("text", ["[]", '"2.0"', "7"])
def test_file_that_holds_no_object_is_refused(tmp_path: Path, text: str):
    write(tmp_path, text)
    with pytest.raises(ConfigurationError, match="Unable to parse host configuration file"):
        load(tmp_path, environ={})


def test_missing_version_is_refused_in_the_words_of_the_reference(tmp_path: Path):
    write(tmp_path, '{"logging": {}}')
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    assert caught.value.message == (
        "The host.json file is missing the required 'version' property. "
        "See https://aka.ms/functions-hostjson for steps to migrate the configuration file."
    )


@pytest.mark.parametrize(("version", "schema_note"), [("1.0", False), ("3.0", True), ("4", True), ("", False)])
def test_other_versions_are_refused(tmp_path: Path, version: str, schema_note: bool):
    write(tmp_path, json.dumps({"version": version}))
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    assert caught.value.message.startswith(
        f"'{version}' is an invalid value for host.json 'version' property. "
        "We recommend you set the 'version' property to '2.0'. "
    )
    assert ("This does not correspond to the function runtime version" in caught.value.message) is schema_note


WRONG = [
    (extension("queues", batchSize="many"), "extensions.queues.batchSize", '"many"', "a whole number from 1 to 32"),
    (extension("queues", batchSize=33), "extensions.queues.batchSize", "33", "a whole number from 1 to 32"),
    (extension("queues", batchSize=True), "extensions.queues.batchSize", "true", "a whole number"),
    (extension("queues", batchSize=1.5), "extensions.queues.batchSize", "1.5", "a whole number"),
    (extension("queues", maxDequeueCount=0), "extensions.queues.maxDequeueCount", "0", "at least 1"),
    (extension("queues", messageEncoding="utf8"), "extensions.queues.messageEncoding", '"utf8"', '"base64", "none"'),
    (extension("queues", visibilityTimeout=5), "extensions.queues.visibilityTimeout", "5", 'a time span "hh:mm:ss"'),
    (extension("queues", visibilityTimeout="30"), "extensions.queues.visibilityTimeout", '"30"', "30 days"),
    (extension("http", routePrefix=5), "extensions.http.routePrefix", "5", "text in quotes"),
    (extension("http", customHeaders={"X": 1}), "extensions.http.customHeaders.X", "1", "text in quotes"),
    (
        extension("http", customHeaders={"X": "a\nb"}),
        "extensions.http.customHeaders.X",
        '"a\\nb"',
        "control characters",
    ),
    (extension("http", customHeaders={"X Y": "a"}), "extensions.http.customHeaders.X Y", '"a"', "name of a header"),
    ({"extensions": {"queues": []}}, "extensions.queues", "[]", "an object"),
    ({"extensions": 5}, "extensions", "5", "an object"),
    ({"functions": "hello"}, "functions", '"hello"', "an array of strings"),
    ({"functionTimeout": "abc"}, "functionTimeout", '"abc"', "a time span"),
    ({"functionTimeout": "00:00:00"}, "functionTimeout", '"00:00:00"', "must be greater than 00:00:01"),
    ({"fileWatchingEnabled": "yes"}, "fileWatchingEnabled", '"yes"', "true or false"),
    ({"logging": {"logLevel": {"default": "Info"}}}, "logging.logLevel.default", '"Info"', 'mean "Information"'),
    ({"logging": {"logLevel": {"Function": 3}}}, "logging.logLevel.Function", "3", "one of Trace, Debug"),
    ({"logging": {"fileLoggingMode": "some"}}, "logging.fileLoggingMode", '"some"', '"debugOnly"'),
    ({"retry": {"strategy": "linear"}}, "retry.strategy", '"linear"', '"fixedDelay", "exponentialBackoff"'),
    ({"retry": {"strategy": "fixedDelay", "delayInterval": "00:00:01"}}, "retry.maxRetryCount", "null", "mandatory"),
    ({"retry": {"strategy": "fixedDelay", "maxRetryCount": 2}}, "retry.delayInterval", "null", "fixedDelay needs it"),
    (extension("durableTask", hubName=["x"]), "extensions.durableTask.hubName", '["x"]', "text in quotes"),
]


@pytest.mark.parametrize(("document", "key", "value", "expected"), WRONG, ids=[f"{w[1]}={w[2]}" for w in WRONG])
def test_wrong_value_is_refused_in_one_line(tmp_path: Path, document: dict, key: str, value: str, expected: str):
    with pytest.raises(ConfigurationError) as caught:
        load_document(tmp_path, document)
    message = caught.value.message
    assert message.startswith(f"host.json: '{key}' is {value}")
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("document", "written", "meant"),
    [
        (extension("queues", batchSise=3), "extensions.queues.batchSise", "extensions.queues.batchSize"),
        (extension("queues", max_dequeue_count=3), "extensions.queues.max_dequeue_count", "maxDequeueCount"),
        (extension("http", routeprefx="x"), "extensions.http.routeprefx", "extensions.http.routePrefix"),
        (extension("durableTask", hubname_="x"), "extensions.durableTask.hubname_", "extensions.durableTask.hubName"),
        (
            extension("durableTask", storageProvider={"partitonCount": 2}),
            "extensions.durableTask.storageProvider.partitonCount",
            "partitionCount",
        ),
        ({"logging": {"loglevels": {}}}, "logging.loglevels", "logging.logLevel"),
    ],
)
def test_typo_in_a_known_section_is_refused_with_the_name_that_was_meant(
    tmp_path: Path, document: dict, written: str, meant: str
):
    with pytest.raises(ConfigurationError) as caught:
        load_document(tmp_path, document)
    assert f"unknown setting '{written}'" in caught.value.message
    assert meant in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("document", "warning"),
    [
        ({"extension": {}}, "Did you mean 'extensions'?"),
        ({"functionsTimeout": "00:05:00"}, "Did you mean 'functionTimeout'?"),
        ({"extensions": {"queue": {}}}, "Did you mean 'extensions.queues'?"),
        ({"extensions": {"durableTasks": {}}}, "Did you mean 'extensions.durableTask'?"),
        ({"durableTask": {"hubName": "x"}}, "belongs in 'extensions'"),
        (extension("queues", somethingElseEntirely=1), "is not a known setting and is ignored"),
    ],
)
def test_odd_keys_are_warned_about(tmp_path: Path, document: dict, warning: str):
    assert any(warning in text for text in load_document(tmp_path, document).warnings)


@pytest.mark.parametrize(
    "document",
    [
        {"myOwnSection": {"batchSize": "x"}},
        {"extensions": {"serviceBus": {}, "acme": {"x": 1}}},
        {"logging": {"applicationInsights": {"samplingSettings": {"isEnabled": True}}}},
        {"$schema": "x", "singleton": {}},
        {"extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)"}},
    ],
)
def test_other_sections_are_ignored_silently(tmp_path: Path, document: dict):
    assert load_document(tmp_path, document).warnings == ()


SETTINGS_WITHOUT_EFFECT = [f"{path}.{key}".strip(".") for path in NOTES for key in NOTES[path]]


@pytest.mark.parametrize("path", SETTINGS_WITHOUT_EFFECT)
def test_a_setting_without_effect_is_reported_in_one_line(tmp_path: Path, path: str):
    document: Any = {"fileLoggingMode": "never"}.get(path.rpartition(".")[2], "x")
    for key in reversed(path.split(".")):
        document = {key: document}
    [warning] = load_document(tmp_path, document).warnings
    assert warning.startswith(f"'{path}' has no effect here: ")
    assert "\n" not in warning


@pytest.mark.parametrize("name", ["APPLICATIONINSIGHTS_CONNECTION_STRING", "APPINSIGHTS_INSTRUMENTATIONKEY"])
def test_a_user_of_application_insights_learns_that_nothing_is_sent(tmp_path: Path, name: str):
    [warning] = load_document(tmp_path, {}, **{name: "x"}).warnings
    assert f"Nothing is sent to Application Insights: '{name}'" in warning


def test_keys_ignore_case(tmp_path: Path):
    config = load_document(tmp_path, {"Extensions": {"QUEUES": {"BatchSize": 3}, "http": {"RoutePrefix": "/v1/"}}})
    assert config.host.queues.batch_size == 3
    assert config.host.http.route_prefix == "v1"


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"maxAge": "01:00:00"}, None),
        ({"isEnabled": True}, "max-age=2592000"),
        (
            {"isEnabled": True, "maxAge": "01:00:00", "includeSubDomains": True, "preload": True},
            "max-age=3600; includeSubDomains; preload",
        ),
    ],
)
def test_strict_transport_security(tmp_path: Path, settings: dict, header: str | None):
    assert load_document(tmp_path, extension("http", hsts=settings)).host.http.hsts == header


@pytest.mark.parametrize(("text", "seconds"), [("00:05:00", 300.0), ("-1", None), ("1.00:00:00", 86_400.0)])
def test_function_timeout(tmp_path: Path, text: str, seconds: float | None):
    assert load_document(tmp_path, {"functionTimeout": text}).host.function_timeout == seconds


def test_retry_policies(tmp_path: Path):
    fixed = {"strategy": "fixedDelay", "maxRetryCount": -1, "delayInterval": "00:00:10"}
    assert load_document(tmp_path, {"retry": fixed}).host.retry == RetryOptions("fixedDelay", -1, 10.0)
    backoff = {
        "strategy": "ExponentialBackoff",
        "maxRetryCount": 3,
        "minimumInterval": "00:00:01.5",
        "maximumInterval": "00:01:00",
    }
    retry = load_document(tmp_path, {"retry": backoff}).host.retry
    assert retry == RetryOptions("exponentialBackoff", 3, 0.0, 1.5, 60.0)


def test_environment_overrides_any_value(tmp_path: Path):
    config = load_document(
        tmp_path,
        {"functions": ["a", "b"], "extensions": {"queues": {"batchSize": 3}}},
        AzureFunctionsJobHost__extensions__queues__batchSize="5",
        AZUREFUNCTIONSJOBHOST__EXTENSIONS__HTTP__ROUTEPREFIX="v2",
        AzureFunctionsJobHost__functions__1="c",
        AzureFunctionsJobHost__fileWatchingEnabled="false",
        AzureFunctionsJobHost__extensions__durableTask__hubName="FromEnvironment",
        AzureFunctionsJobHost__logging__logLevel__Host__Startup="Debug",
    )
    assert config.host.queues.batch_size == 5
    assert config.host.http.route_prefix == "v2"
    assert config.host.functions == ("a", "c")
    assert not config.host.file_watching_enabled
    assert config.host.durable.hub_name == "FromEnvironment"
    assert config.host.logging.level_for("Host.Startup") == 10


def test_wrong_value_from_the_environment_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"'extensions\.queues\.batchSize' is \"x\""):
        load_document(tmp_path, {}, AzureFunctionsJobHost__extensions__queues__batchSize="x")


def test_functions_of_the_command_line_win(tmp_path: Path):
    write(tmp_path, '{"version": "2.0", "functions": ["a"]}')
    assert load(tmp_path, environ={}, overrides=Overrides(functions=("b", "c"))).host.functions == ("b", "c")


def test_settings_of_the_mcp_server_are_read(tmp_path: Path):
    assert load_document(tmp_path, {}).host.mcp == McpOptions()
    document = extension(
        "mcp",
        instructions="Be kind.",
        serverName="Mine",
        serverVersion="2.0.0",
        messageOptions={"useAbsoluteUriForEndpoint": True},
        system={"webhookAuthorizationLevel": "anonymous"},
    )
    assert load_document(tmp_path, document).host.mcp == McpOptions(
        instructions="Be kind.",
        server_name="Mine",
        server_version="2.0.0",
        uses_absolute_endpoint=True,
        is_anonymous=True,
    )


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"system": {"webhookAuthorizationLevel": "Function"}}, "webhookAuthorizationLevel"),
        ({"serverNmae": "x"}, "did you mean 'extensions.mcp.serverName'"),
        ({"messageOptions": {"useAbsoluteUriForEndpoint": "maybe"}}, "expected true or false"),
    ],
)
def test_a_wrong_setting_of_the_mcp_server_is_refused(tmp_path: Path, settings: dict, told: str):
    with pytest.raises(ConfigurationError, match=told):
        load_document(tmp_path, extension("mcp", **settings))
