"""`func doctor` finds each problem and shows its remedy."""

import asyncio
import json
import os
import socket
import sqlite3
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli_runs import Func, Outcome
from hub_states import clock

from durable_host.cli.doctor import hub_check as hub_checks
from durable_host.config.connections import parse_connection_string
from durable_host.durable.taskhub.azure.set_aside import SetAside
from durable_host.ports import reserved
from durable_host.storage import QueueMessage, StorageAccount
from durable_host.storage.azurite import connection_string as text_of
from durable_host.storage.azurite import free_connection
from durable_host.timestamp import TICKS_PER_MINUTE

pytestmark = pytest.mark.process

QUEUE_APP = """
import azure.functions as func
import azure.durable_functions as df

app = df.DFApp()

@app.queue_trigger(arg_name="m", queue_name="QUEUE", connection="AzureWebJobsStorage")
def worker(m: func.QueueMessage) -> None: ...

@app.orchestration_trigger(context_name="context")
def flow(context): ...
"""


@pytest.fixture
def app(func: Func, folder: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An app without problems, with its own hub."""
    assert func("init", "--python", "--no-bundle").code == 0
    hub = f"Doc{uuid.uuid4().hex[:10]}"
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": {"hubName": hub}}}))
    (folder / "function_app.py").write_text(QUEUE_APP.replace("QUEUE", f"q-{hub.lower()}"))
    settings = {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsStorage": connection_string}
    write_settings(folder, settings)
    monkeypatch.setenv("languageWorkers__python__defaultExecutablePath", sys.executable)
    with reserved("127.0.0.1") as port:
        (folder / "local.settings.json").write_text(
            json.dumps({"IsEncrypted": False, "Values": settings, "Host": {"LocalHttpPort": port}})
        )
        yield folder


def write_settings(folder: Path, values: dict[str, str]) -> None:
    (folder / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": values}))


def hub_of(app: Path) -> str:
    return json.loads((app / "host.json").read_text())["extensions"]["durableTask"]["hubName"]


def problems(outcome: Outcome) -> list[str]:
    """`level area: message | remedy` of each finding that is not ok."""
    found: list[dict[str, Any]] = outcome.json()
    return [
        f"{one['level']} {one['area']}: {one['message']} | {one['remedy']}" for one in found if one["level"] != "ok"
    ]


def the_problem(func: Func, code: int) -> str:
    outcome = func("doctor", "--output", "json")
    assert outcome.code == code, outcome.out
    (found,) = problems(outcome)
    return found


def test_all_is_well(func: Func, app: Path):
    outcome = func("doctor")
    assert outcome.code == 0
    assert outcome.out.endswith("\nAll is well.\n")
    for text in (
        "azure-functions-durable",
        "Azurite answers",
        "2 loaded: flow, worker",
        "does not exist yet",
        "is free",
    ):
        assert text in outcome.out


def test_function_of_a_trigger_that_is_not_served_does_not_count_as_loading(func: Func, app: Path):
    code = (app / "function_app.py").read_text()
    code += """
@app.service_bus_queue_trigger(arg_name="message", queue_name="q", connection="Bus")
def bus(message: func.ServiceBusMessage) -> None: ...
"""
    (app / "function_app.py").write_text(code)
    found = the_problem(func, 0)
    assert found.startswith("warning Functions: bus does not run here: ")
    assert "'serviceBusTrigger'" in found
    assert "2 loaded: flow, worker" in func("doctor").out


def test_folder_without_an_app(func: Func, folder: Path):
    outcome = func("doctor")
    assert outcome.code == 1
    assert "Unable to find project root." in outcome.out


def test_missing_host_json_is_not_written(func: Func, app: Path):
    (app / "host.json").unlink()
    found = the_problem(func, 1)
    assert found.startswith("error host.json: There is no host.json")
    assert not (app / "host.json").exists()


def test_broken_host_json(func: Func, app: Path):
    (app / "host.json").write_text('{"version": "2.0", }}')
    assert "error host.json: DH1002: Unable to parse" in the_problem(func, 1)


def test_missing_requirements_file(func: Func, app: Path):
    (app / "requirements.txt").unlink()
    assert the_problem(func, 0).startswith("warning Packages: There is no requirements.txt.")


@pytest.mark.parametrize(
    ("line", "code", "text"),
    [
        ("no-such-package-here>=1", 1, "requirements.txt requires no-such-package-here>=1, which is not installed."),
        ("azure-functions-worker", 0, "belongs to the platform"),
        ("azure_functions < 1", 0, "requirements.txt requires azure_functions<1, but "),
    ],
)
def test_requirements_that_are_not_met(func: Func, app: Path, line: str, code: int, text: str):
    (app / "requirements.txt").write_text(f"azure-functions  # the SDK\n\n-r other.txt\n{line}\n")
    assert text in the_problem(func, code)


def test_requirement_of_another_system_is_no_problem(func: Func, app: Path):
    (app / "requirements.txt").write_text("azure-functions\nnot-here; sys_platform == 'amiga'\n")
    assert problems(func("doctor", "--output", "json")) == []


def test_interpreter_that_is_gone(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("languageWorkers__python__defaultExecutablePath", "/no/such/python")
    found = problems(func("doctor", "--output", "json"))
    assert found[0].startswith("error Python: DH4")


def test_app_that_does_not_import(func: Func, app: Path):
    (app / "function_app.py").write_text("import no_such_module_anywhere\n")
    found = the_problem(func, 1)
    assert found.startswith("error Functions: DH4")
    assert "no_such_module_anywhere" in found


def test_app_without_functions(func: Func, app: Path):
    (app / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n")
    assert the_problem(func, 0).startswith("warning Functions: The app has no functions.")


def test_connection_without_a_setting_names_the_function(func: Func, app: Path):
    path = app / "function_app.py"
    path.write_text(path.read_text().replace('connection="AzureWebJobsStorage"', 'connection="Other"'))
    found = the_problem(func, 1)
    assert found.startswith("error Functions: worker: Storage account connection string 'AzureWebJobsOther'")


def test_port_in_use_names_the_process(func: Func, app: Path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        document = json.loads((app / "local.settings.json").read_text())
        document["Host"]["LocalHttpPort"] = listener.getsockname()[1]
        (app / "local.settings.json").write_text(json.dumps(document))
        found = the_problem(func, 0)
    assert found.startswith("warning Port: Port ")
    assert "func start --port" in found


def test_wrong_worker_runtime_and_missing_settings_file(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    values = json.loads((app / "local.settings.json").read_text())["Values"]
    monkeypatch.setenv("AzureWebJobsStorage", values["AzureWebJobsStorage"])
    monkeypatch.setenv("FUNCTIONS_WORKER_RUNTIME", "java")
    (app / "local.settings.json").unlink()
    found = [one for one in problems(func("doctor", "--output", "json")) if " Port: " not in one]
    assert [one.partition("|")[0] for one in found] == [
        "warning Settings: FUNCTIONS_WORKER_RUNTIME is 'java'. This host runs only Python, Node.js and .NET isolated "
        "apps, so it runs this as a Python app. ",
        "warning Settings: There is no local.settings.json. ",
    ]


def test_azurite_that_is_not_running_is_no_problem(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AzureWebJobsStorage", text_of(free_connection()))
    found = func("doctor", "--output", "json").json()
    texts = [one["message"] for one in found]
    assert any("Azurite is not running" in text and "'func start' starts it" in text for text in texts)
    assert any(one["area"] == "Azurite" for one in found)


def test_wrong_key_is_found(func: Func, app: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AzureWebJobsStorage", connection_string.replace("AccountKey=Eby", "AccountKey=Abc"))
    found = [one for one in problems(func("doctor", "--output", "json")) if one.startswith("error")]
    assert len(found) == 1
    assert "refuses the account of 'AzureWebJobsStorage'" in found[0]


def test_poison_messages_are_counted(func: Func, app: Path, connection_string: str):
    queue = f"q-{hub_of(app).lower()}-poison"

    async def put() -> None:
        async with StorageAccount(parse_connection_string(connection_string)) as account:
            await account.queues.create(queue)
            await account.queues.put(queue, "bad")

    asyncio.run(put())
    found = the_problem(func, 0)
    assert found.startswith(f"warning Queues: worker failed on 1 message, now in '{queue}'.")


def test_unreadable_messages_of_the_hub_are_counted_by_queue(func: Func, app: Path, connection_string: str):
    func("durable", "start-new", "--function-name", "flow", "--id", "one")
    hub = hub_of(app).lower()

    async def put() -> None:
        message = QueueMessage("m", "rubbish", "", 1, 0, 0, 0)
        async with StorageAccount(parse_connection_string(connection_string)) as account:
            aside = SetAside(account.blobs, f"{hub}-unreadable")
            await aside.put(f"{hub}-control-01", message, "it is rubbish", 0)
            await aside.put(f"{hub}-control-01", msgspec.structs.replace(message, id="n"), "it is rubbish", 0)

    asyncio.run(put())
    found = the_problem(func, 0)
    assert f"2 messages of the queue '{hub}-control-01' could not be read and were set aside" in found
    assert f"'{hub}-unreadable'" in found
    assert func("durable", "delete-task-hub").code == 0


def test_unreadable_messages_of_an_embedded_hub_are_counted(func: Func, app: Path):
    document = json.loads((app / "host.json").read_text())
    document["extensions"]["durableTask"]["storageProvider"] = {"type": "sqlite"}
    (app / "host.json").write_text(json.dumps(document))
    func("durable", "start-new", "--function-name", "flow", "--id", "one")
    with closing(sqlite3.connect(app / ".durable-host" / f"{hub_of(app)}.db")) as connection, connection:
        connection.execute(
            "INSERT INTO set_aside (queue, dequeue_count, instance_id, kind, body, reason, set_aside_time) "
            "VALUES (0, 1, 'i', 'NoSuch', x'00', 'unknown', 0)"
        )
    assert "1 message of the queue 'control' could not be read" in func("doctor").out


def test_hub_is_counted_and_its_partitions_compared(func: Func, app: Path):
    for name in ("one", "two"):
        func("durable", "start-new", "--function-name", "flow", "--id", name)
    outcome = func("doctor")
    assert f"'{hub_of(app)}' holds 2 Pending" in outcome.out
    document = json.loads((app / "host.json").read_text())
    document["extensions"]["durableTask"]["storageProvider"] = {"partitionCount": 9}
    (app / "host.json").write_text(json.dumps(document))
    found = the_problem(func, 1)
    assert "was created with 4 partitions, but host.json says 9" in found
    assert "partitionCount to 4" in found
    assert func("durable", "delete-task-hub").code == 0


def test_instances_that_nobody_starts_are_named(func: Func, app: Path, monkeypatch: pytest.MonkeyPatch):
    func("durable", "start-new", "--function-name", "flow", "--id", "forgotten")

    class LaterClock:
        def now(self) -> int:
            return clock.now() + 11 * TICKS_PER_MINUTE

    monkeypatch.setattr(hub_checks, "SystemClock", LaterClock)
    found = the_problem(func, 0)
    assert "1 instance has been Pending for more than 10 minutes: forgotten" in found
    assert func("durable", "delete-task-hub").code == 0


def test_message_that_comes_again_and_again_is_reported(
    func: Func, app: Path, connection_string: str, monkeypatch: pytest.MonkeyPatch
):
    func("durable", "start-new", "--function-name", "flow", "--id", "one")
    monkeypatch.setattr(hub_checks, "_POISON_DEQUEUES", 0)
    found = the_problem(func, 0)
    assert "1 message in" in found
    assert "never processed" in found
    assert func("durable", "delete-task-hub").code == 0


def test_embedded_hub_needs_no_storage(func: Func, app: Path):
    (app / "host.json").write_text(
        '{"version": "2.0", "extensions": {"durableTask": {"hubName": "Mine", "storageProvider": {"type": "sqlite"}}}}'
    )
    assert "'Mine' does not exist yet" in func("doctor").out
    func("durable", "start-new", "--function-name", "flow", "--id", "one")
    assert "'Mine' holds 1 Pending" in func("doctor").out
    assert os.listdir(app / ".durable-host")


def test_code_of_a_function_json_that_does_not_load_is_reported_with_its_traceback(func: Func, app: Path):
    (app / "function_app.py").unlink()
    (app / "Broken").mkdir()
    binding = {"name": "m", "type": "activityTrigger", "direction": "in"}
    (app / "Broken" / "function.json").write_text(json.dumps({"bindings": [binding]}))
    (app / "Broken" / "__init__.py").write_text("import os\nimport gone\n")
    path = app / "Broken" / "__init__.py"
    assert f"Broken: {path}:2: ModuleNotFoundError: No module named 'gone'" in the_problem(func, 1)
    outcome = func("doctor").out
    assert f'  File "{path}", line 2, in <module>\n' in outcome
    assert "import gone" in outcome


def test_an_app_that_does_not_load_is_reported_with_its_traceback(func: Func, app: Path):
    (app / "function_app.py").write_text("import gone\n")
    outcome = func("doctor")
    assert outcome.code == 1
    assert f'  File "{app / "function_app.py"}", line 1, in <module>\n' in outcome.out


def test_what_azure_would_not_serve_is_a_warning(func: Func, app: Path):
    code = (app / "function_app.py").read_text()
    code += '\n@app.activity_trigger(input_name="data")\ndef act(data): ...\n'
    (app / "function_app.py").write_text(code)
    assert the_problem(func, 0).startswith("warning Functions: DH5040: The function 'act' runs here")


@pytest.mark.parametrize(
    ("routes", "code", "text"),
    [
        (("admin/x",), 1, "error Functions: h0: The specified route conflicts with one or more built in routes."),
        (("a/{b",), 1, "error Functions: h0: A parameter of the route 'api/a/{b' is not closed."),
        (("{*all}", "mine"), 0, "warning Functions: No request can reach the function 'h1': 'h0' comes first"),
    ],
)
def test_routes_that_no_request_can_reach_are_found(
    func: Func, app: Path, routes: tuple[str, ...], code: int, text: str
):
    source = (app / "function_app.py").read_text()
    for number, route in enumerate(routes):
        source += f'\n@app.route(route="{route}")\ndef h{number}(req: func.HttpRequest) -> str: ...\n'
    (app / "function_app.py").write_text(source)
    assert the_problem(func, code).startswith(text)
