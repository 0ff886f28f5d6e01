"""The functions of an app: served, not served, or in error, and the reasons."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from durable_host.bindings.accounts import Accounts
from durable_host.bindings.blob_signals import BlobSignals
from durable_host.bindings.durable_client import DurableClientInput
from durable_host.bindings.queue_signals import QueueSignals
from durable_host.bindings.unserved_output import Mode
from durable_host.config import HostConfig, load
from durable_host.errors import ConfigurationError
from durable_host.host.azure_warnings import azure_warnings
from durable_host.host.binding_registry import binding_registry
from durable_host.host.durable_calls import durable_names, unserved_names
from durable_host.host.functions import AppFunctions, app_functions
from durable_host.host.summary import function_lines
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.metadata import Binding, Direction, FunctionMetadata, FunctionProblem, IndexResult


def binding(kind: str, name: str = "x", direction: str = "in", **properties: Any) -> Binding:
    return Binding(name, kind, cast("Direction", direction), properties)


def function(name: str, *bindings: Binding) -> FunctionMetadata:
    return FunctionMetadata(name=name, bindings=bindings)


def configuration(root: Path, **settings: str) -> HostConfig:
    (root / "host.json").write_text('{"version": "2.0"}')
    return load(root, environ=settings)


def registry(config: HostConfig, outputs: Mode = "fail") -> BindingRegistry:
    async def payload(hub: str | None, connection: str | None) -> str:
        return "{}"

    client = DurableClientInput(payload)
    return binding_registry(
        Accounts(config.settings), QueueSignals(), BlobSignals(), config.host.queues, client, config.settings, outputs
    )


def seen(
    root: Path, functions: Iterable[FunctionMetadata], errors: Iterable[FunctionProblem] = (), **fields: Any
) -> AppFunctions:
    config = configuration(root)
    index = IndexResult(functions=tuple(functions), errors=tuple(errors), **{"model": "v2", **fields})
    return app_functions(index, config, registry(config).serves)


@pytest.mark.parametrize("kind", ["serviceBus", "sendGrid", "signalR", "cosmosDB", "eventHub", "kafka", "twilioSms"])
def test_a_function_whose_only_unserved_binding_is_an_output_is_served(tmp_path: Path, kind: str) -> None:
    found = seen(tmp_path, [function("f", binding("httpTrigger", "req"), binding(kind, "out", "out"))])
    assert [one.name for one in found.served] == ["f"]
    assert found.not_served == {}


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_function_with_an_unserved_trigger_or_input_is_not_served(tmp_path: Path, direction: str) -> None:
    bindings = [binding("serviceBusTrigger", "msg"), binding("serviceBus", "out", direction)]
    found = seen(tmp_path, [function("f", *bindings)])
    assert "'serviceBusTrigger'" in found.not_served["f"]


@pytest.mark.parametrize(("mode", "told"), [("fail", "fails the call"), ("log", "logged as a line of JSON")])
def test_an_output_that_is_not_served_is_reported_at_the_start(tmp_path: Path, mode: Mode, told: str) -> None:
    found = seen(
        tmp_path,
        [function("f", binding("httpTrigger", "req"), binding("serviceBus", "o", "out"), binding("http", "r", "out"))],
    )
    config = configuration(tmp_path, DURABLE_HOST_UNSERVED_OUTPUTS=mode)
    [text] = azure_warnings(found, registry(config, mode), config.settings)
    assert text.startswith("DH5021: The function 'f' runs, but its output 'o' is not served")
    assert told in text
    assert ("DURABLE_HOST_UNSERVED_OUTPUTS=log" in text) == (mode == "fail")


def test_the_setting_for_unserved_outputs_takes_two_words(tmp_path: Path) -> None:
    config = configuration(tmp_path, DURABLE_HOST_UNSERVED_OUTPUTS="drop")
    with pytest.raises(ConfigurationError, match="is 'drop', expected fail or log"):
        list(azure_warnings(AppFunctions(), registry(config), config.settings))


@pytest.mark.parametrize("name", ["data", "Data"])
def test_an_activity_whose_input_is_called_data_is_warned_about(tmp_path: Path, name: str) -> None:
    act = FunctionMetadata(
        name="act", bindings=(binding("activityTrigger", name),), source_file="function_app.py", source_line=7
    )
    found = seen(tmp_path, [act])
    config = configuration(tmp_path)
    [text] = azure_warnings(found, registry(config), config.settings)
    assert text.startswith("DH5040: The function 'act' runs here, but Azure would not serve it")
    assert f"Can't bind parameter '{name}' to type 'System.String'." in text
    assert text.endswith("Give the parameter another name, in the trigger and in the function (function_app.py:7).")


def test_annotations_that_azures_worker_refuses_are_one_warning(tmp_path: Path) -> None:
    acts = [
        FunctionMetadata(
            name=f"act{number}",
            bindings=(binding("activityTrigger", "inp"),),
            refused_annotations={"inp": "list[str]"},
        )
        for number in range(7)
    ]
    config = configuration(tmp_path)
    [text] = azure_warnings(seen(tmp_path, acts), registry(config), config.settings)
    assert text.startswith("DH5041: This app runs here, but Azure would serve none of this app's functions")
    assert "inp: list[str] in 'act0'" in text
    assert "and 2 more" in text


@pytest.mark.parametrize("trigger", [binding("httpTrigger", "data"), binding("activityTrigger", "inp")])
def test_other_names_and_triggers_are_not_warned_about(tmp_path: Path, trigger: Binding) -> None:
    config = configuration(tmp_path)
    assert list(azure_warnings(seen(tmp_path, [function("f", trigger)]), registry(config), config.settings)) == []


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        (
            binding("httpTrigger", "req", authLevel="foo"),
            "'authLevel' of the binding 'req' is not valid: it takes anonymous, function, user, system or admin",
        ),
        (binding("httpTrigger", "req", authLevel="anonymus"), "write 'anonymous'"),
        (binding("httpTrigger", "req", methods="get"), "must be a list of strings such as [\"get\"], not 'get'"),
        (binding("httpTrigger", "req", methods=[1]), "must be a list of strings"),
        (binding("queueTrigger", "m", queueName="q", dataType="text"), "'dataType' of the binding 'm' is not valid"),
        (binding("queueTrigger", "m", queueName="q", cardinality="some"), "it takes one or many"),
        (binding("timerTrigger", "t", schedule="0 * * * * *", runOnStartup="yes"), "is not valid: write true or false"),
        (binding("serviceBusTrigger", "m", accessRights="all"), "it takes manage or listen"),
        (binding("blobTrigger", "b", path="c/{n}", source="event-grid-"), "write 'EventGrid'"),
    ],
)
def test_a_value_that_azures_host_cannot_read_puts_the_function_in_error(
    tmp_path: Path, trigger: Binding, told: str
) -> None:
    found = seen(tmp_path, [function("f", trigger)])
    assert found.served == ()
    assert told in found.errors[0].message


@pytest.mark.parametrize(
    "trigger",
    [
        binding("httpTrigger", "req", authLevel="ANONYMOUS", methods=["GET", "made-up"]),
        binding("httpTrigger", "req", authLevel="system", dataType="BINARY", methods=[]),
        binding("timerTrigger", "t", schedule="0 * * * * *", runOnStartup=True, useMonitor="False"),
        binding("activityTrigger", "x", cardinality="MANY", source="anywhere", methods="any"),
    ],
)
def test_values_that_azures_host_can_read_are_accepted(tmp_path: Path, trigger: Binding) -> None:
    assert seen(tmp_path, [function("f", trigger)]).errors == ()


def test_a_function_of_a_function_json_that_does_not_load_is_listed_with_its_url(tmp_path: Path) -> None:
    trigger = binding("httpTrigger", "req", route="items/{id}", methods=["get"])
    problem = FunctionProblem(function="F", message="it is broken", bindings=(trigger,))
    found = seen(tmp_path, [], [problem], model="v1")
    [line] = function_lines(found, "http://localhost:7071", "api")
    assert (line.kind, line.methods, line.url) == ("httpTrigger", ("GET",), "http://localhost:7071/api/items/{id}")
    assert line.reason == "it is broken"
    assert [one.failed_to_load for one in found.absent] == [True]


def test_a_mistake_of_a_function_json_comes_before_that_of_its_code(tmp_path: Path) -> None:
    wrong = binding("httpTrigger", "req", authLevel="foo")
    problem = FunctionProblem(function="F", message="parameters do not fit", bindings=(wrong,))
    for model, told in (("v1", "The value 'foo' of 'authLevel'"), ("v2", "parameters do not fit")):
        found = seen(tmp_path, [], [problem], model=model)
        assert found.errors[0].message.startswith(told)
        assert [one.failed_to_load for one in found.absent] == [False]


def test_a_durable_call_of_a_function_that_is_not_served_finds_the_reason(tmp_path: Path) -> None:
    activity = binding("activityTrigger", "inp", activity="Renamed")
    broken = FunctionProblem(function="broken", message="no such module", bindings=(activity,))
    found = seen(
        tmp_path,
        [
            function("served", binding("activityTrigger", "inp")),
            function("unserved", binding("activityTrigger", "inp"), binding("cosmosDB", "doc")),
            function("orchestrator", binding("orchestrationTrigger", "context"), binding("cosmosDB", "doc")),
        ],
        [broken],
        excluded=("left_out",),
    )
    assert durable_names(found.served).activities == {"served": "served"}
    names = unserved_names(found.absent)
    assert names.activities == {
        "unserved": "this host has no 'cosmosDB'",
        "broken": "no such module",
        "Renamed": "no such module",
        "left_out": "it is not in the list of functions to run",
    }
    assert names.orchestrators.keys() == {"orchestrator", "left_out"}


@pytest.mark.parametrize(
    "wrong",
    [
        binding("durableClient", connectionName="AccountName=shop;AccountKey=SECRET"),
        binding("orchestrationClient", connectionName="AccountName=shop;AccountKey=SECRET"),
        binding("queue", direction="out", queueName="q", connection="AccountName=shop;AccountKey=SECRET"),
        binding("blob", path="c/b", connection="https://shop.blob.core.windows.net/c?sv=2024&sig=SECRET%3D"),
    ],
)
def test_a_connection_string_in_place_of_the_name_of_a_setting_is_refused(tmp_path: Path, wrong: Binding) -> None:
    [error] = seen(tmp_path, [function("f", binding("httpTrigger", "req"), wrong)]).errors
    assert "must be the name of an app setting" in error.message
    assert "SECRET" not in error.message
