"""Rows of the page durable-http that the code of an app notices, with the results of the real extension."""

import json
from typing import Any

import azure.durable_functions as df
import pytest
from azure.durable_functions import EntityId
from reference_world import DurableApp

pytestmark = pytest.mark.unit


async def test_the_text_of_a_failed_activity_has_one_blank(durable_app: DurableApp) -> None:
    """durable-http 4: `Activity function 'A' failed: ValueError: boom`, one blank."""

    @durable_app.code.activity
    def A(_: Any) -> None:  # noqa: N802
        raise ValueError("boom")

    @durable_app.code.orchestrator
    def catches(context):
        try:
            yield context.call_activity("A", None)
        except Exception as error:
            return str(error)

    @durable_app.code.orchestrator
    def fails(context):
        yield context.call_activity("A", None)

    await durable_app.start()
    text = "Activity function 'A' failed: ValueError: boom"
    caught = await durable_app.output("catches", "a")
    assert json.loads(caught).startswith(f"{text} \n ")
    failed = await durable_app.output("fails", "b")
    assert failed.startswith(f"Orchestrator function 'fails' failed: {text}")


def _with_counter(app: DurableApp) -> None:
    @app.code.entity
    def Counter(context):  # noqa: N802
        match context.operation_name:
            case "add":
                state = context.get_state(lambda: 0) + 1
                context.set_state(state)
                context.set_result(state)
            case "read":
                context.set_result([context._exists, context.get_state(lambda: "fresh")])
            case "delete":
                context.destruct_on_exit()
            case _:
                raise ValueError("no")

    @app.code.orchestrator
    def operate(context):
        results = []
        for operation in context.get_input():
            try:
                results.append((yield context.call_entity(df.EntityId("Counter", "k"), operation)))
            except Exception:
                results.append("failed")
        return results


async def _shown(app: DurableApp) -> tuple[Any, Any, str | None, str | None]:
    """The entity for the SDK, in a list, and in its row: input and custom status."""
    read = await app.sdk().read_entity_state(EntityId("Counter", "k"))
    (listed,) = await app.get("entities/Counter?fetchState=true")
    row = await app.world.hub.get_instance("@counter@k")
    assert row is not None
    scheduler = json.loads(row.input or "{}")
    scheduler["sorter"] = {}
    return (read.entity_exists, read.entity_state), listed["state"], json.dumps(scheduler), row.custom_status


GONE = ((True, ""), None, '{"state": "null", "sorter": {}}', "{}")


async def test_a_deleted_entity_has_the_state_null(durable_app: DurableApp) -> None:
    """durable-http 5: GET 200 `null`, SDK `(True, '')`, listed, row input `{"state":"null","sorter":{}}`."""
    _with_counter(durable_app)
    await durable_app.start()
    assert json.loads(await durable_app.output("operate", "a", ["add", "delete"])) == [1, None]
    assert await durable_app.get("entities/Counter/k") is None
    assert await _shown(durable_app) == GONE


async def test_an_entity_whose_first_operation_failed_has_the_state_null(durable_app: DurableApp) -> None:
    """durable-http 5: the same when the first operation failed, and when the next one fails too."""
    _with_counter(durable_app)
    await durable_app.start()
    for instance_id in ("a", "b"):
        assert json.loads(await durable_app.output("operate", instance_id, ["boom"])) == ["failed"]
        assert await _shown(durable_app) == GONE


async def test_a_deleted_entity_does_not_exist_for_its_code(durable_app: DurableApp) -> None:
    """durable-http 5: what the SDK is given after a deletion does not exist, and begins afresh."""
    _with_counter(durable_app)
    await durable_app.start()
    results = json.loads(await durable_app.output("operate", "a", ["add", "delete", "read", "add"]))
    assert results == [1, None, [False, "fresh"], 1]
    assert (await _shown(durable_app))[:2] == ((True, 1), 1)


async def test_an_entity_that_never_was_is_not_found(durable_app: DurableApp) -> None:
    """durable-http 5: 404 only where there is no instance, or no state text."""
    _with_counter(durable_app)
    await durable_app.start()
    assert await durable_app.get("entities/Counter/k", 404) is None
    read = await durable_app.sdk().read_entity_state(EntityId("Counter", "k"))
    assert (read.entity_exists, read.entity_state) == (False, None)


@pytest.mark.differs("terminated-entities")
async def test_a_terminated_entity_becomes_terminated(durable_app: DurableApp) -> None:
    """durable-http 27: 202, the entity instance becomes Terminated; its state is still there."""
    _with_counter(durable_app)
    await durable_app.start()
    await durable_app.output("operate", "a", ["add"])
    path = "instances/@counter@k"
    async with durable_app.http.post(f"{durable_app.webhook}/{path}/terminate?reason=enough") as answer:
        assert answer.status == 202
    row = await durable_app.world.result("@counter@k")
    assert (row.runtime_status.name, row.output) == ("Terminated", "enough")
    told = await durable_app.get(path)
    assert (told["runtimeStatus"], told["output"]) == ("Terminated", "enough")
    assert await durable_app.get("entities/Counter/k") == 1


def _with_versions(app: DurableApp) -> None:
    @app.code.orchestrator
    def parent(context):
        return [context.version, (yield context.call_sub_orchestrator("child", None, "child"))]

    @app.code.orchestrator
    def child(context):
        return context.version


async def test_code_without_a_version_gets_none(durable_app: DurableApp) -> None:
    """durable-http 7: null → Python `None`, for an instance and its child; no `Version` in the rows."""
    _with_versions(durable_app)
    await durable_app.start()
    assert json.loads(await durable_app.output("parent", "a")) == [None, None]
    for instance_id in ("a", "child"):
        row = await durable_app.world.hub.get_instance(instance_id)
        assert row is not None
        assert row.version is None


async def test_code_of_a_versioned_app_gets_its_version(durable_app: DurableApp) -> None:
    """durable-http 7: with `defaultVersion` there is a version."""
    _with_versions(durable_app)
    await durable_app.start(default_version="2.0")
    assert json.loads(await durable_app.output("parent", "a")) == ["2.0", "2.0"]


async def test_a_child_names_its_parent(durable_app: DurableApp) -> None:
    """durable-http 8: row column `ParentInstanceId`, `''` for others; `parentInstanceId` in the status."""
    _with_versions(durable_app)
    await durable_app.start()
    await durable_app.output("parent", "a")
    assert (await durable_app.get("instances/child"))["parentInstanceId"] == "a"
    assert "parentInstanceId" not in await durable_app.get("instances/a")


async def test_generation_counts_replacements(durable_app: DurableApp) -> None:
    """durable-http 16: Generation is 0, n+1 after a replacement, null in children and after continue-as-new."""

    @durable_app.code.orchestrator
    def again(context):
        if context.get_input() is None:
            context.continue_as_new("once")
        return context.get_input()

    _with_versions(durable_app)
    await durable_app.start()

    async def generation(instance_id: str) -> Any:
        status = await durable_app.get(f"instances/{instance_id}?showHistory=true")
        return status["historyEvents"][0]["Generation"]

    for expected in (0, 1, 2):
        await durable_app.output("parent", "a")
        assert await generation("a") == expected
    assert await generation("child") is None
    await durable_app.output("again", "b")
    assert await generation("b") is None
