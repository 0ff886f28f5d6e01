"""Changes to the app's files while `func start` runs.

Source: docs/protocol/functions-host-worker.md#reloading
"""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from host_process import HostProcess, ends_of, until, write_app

StartHost = Callable[..., HostProcess]

HEAD = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""


def route(name: str, answer: str, path: str | None = None) -> str:
    return f"""

@app.route(route="{path or name}")
def {name}(req: func.HttpRequest) -> str:
    return {answer!r}
"""


def workers_of(host: HostProcess) -> list[int]:
    processes = host.get("/admin/host/processes").json()["processes"]
    return [process["processId"] for process in processes if process["processId"] != host.pid]


def save(host: HostProcess, files: dict[str, str], times: int = 1) -> None:
    """Save files of the app and wait until the host has taken them over."""
    before = host.output.count("Reloaded in")
    for name, text in files.items():
        path = host.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    until(lambda: host.output.count("Reloaded in") >= before + times, host=host)


def test_a_saved_file_is_taken_over_and_one_line_says_so(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + route("hello", "before")})
    [old] = workers_of(host)
    assert host.get("/api/hello").text == "before"
    save(host, {"function_app.py": HEAD + route("hello", "after")})
    assert host.get("/api/hello").text == "after"
    host.wait_for(r"function_app\.py changed, reloading \.\.\.")
    host.wait_for(r"Worker process started and initialized\.")
    [new] = workers_of(host)
    assert new != old
    until(lambda: ends_of([old]))


def test_new_gone_and_changed_functions_are_taken_over_with_their_routes(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + route("hello", "hi") + route("moved", "here", "one")})
    save(host, {"function_app.py": HEAD + route("bye", "bye") + route("moved", "here", "two")})
    assert (host.get("/api/bye").text, host.get("/api/two").text) == ("bye", "here")
    assert (host.get("/api/hello").status_code, host.get("/api/one").status_code) == (404, 404)
    host.wait_for(r"2 functions, new bye, gone hello, changed moved\.")
    assert [function["name"] for function in host.get("/admin/functions").json()] == ["bye", "moved"]


def test_an_app_that_does_not_import_leaves_the_old_code_running_and_shows_the_line(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + route("hello", "before")})
    path = host.root / "function_app.py"
    path.write_text(HEAD + route("hello", "never") + "\nbroken = undefined_name\n")
    host.wait_for(r"function_app\.py:\d+: NameError: name 'undefined_name' is not defined")
    host.wait_for("continues without the change")
    assert host.get("/api/hello").text == "before"
    assert host.get("/admin/host/status").json()["state"] == "Running"
    save(host, {"function_app.py": HEAD + route("hello", "mended")})
    assert host.get("/api/hello").text == "mended"


def test_an_app_that_never_finishes_loading_gives_way_to_the_next_one(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + route("hello", "before")})
    hangs = '\n\nprint("hanging")\n__import__("threading").Event().wait()\n'
    (host.root / "function_app.py").write_text(HEAD + route("hello", "never") + hangs)
    host.wait_for("hanging")
    assert host.get("/api/hello").text == "before"
    save(host, {"function_app.py": HEAD + route("hello", "mended")})
    assert host.get("/api/hello").text == "mended"


SLOW = """
import threading


@app.route(route="slow")
def slow(req: func.HttpRequest) -> str:
    print("slow has begun")
    while not __import__("os").path.exists("go-on"):
        threading.Event().wait(0.02)
    return "from the old code"
"""


def test_a_running_invocation_finishes_on_the_old_worker(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + SLOW + route("hello", "old")})
    [old] = workers_of(host)
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(host.get("/api/slow").text))
    thread.start()
    host.wait_for("slow has begun")
    save(host, {"function_app.py": HEAD + route("hello", "new")})
    assert host.get("/api/hello").text == "new"
    assert not ends_of([old])
    (host.root / "go-on").touch()
    thread.join()
    assert answers == ["from the old code"]
    until(lambda: ends_of([old]))


def test_a_request_whose_body_is_still_coming_belongs_to_the_code_that_it_met(start_host: StartHost) -> None:
    echo = '\n\n@app.route(route="echo")\ndef echo(req: func.HttpRequest) -> str:\n    return req.get_body().decode()\n'
    host = start_host({"function_app.py": HEAD + echo})
    (go_on, has_begun), answers = (threading.Event(), threading.Event()), []

    def body():
        yield b"first "
        has_begun.set()
        go_on.wait(30)
        yield b"second"

    thread = threading.Thread(target=lambda: answers.append(host.post("/api/echo", data=body())))
    thread.start()
    has_begun.wait(30)
    assert host.get("/admin/host/ping").status_code == 200
    save(host, {"function_app.py": HEAD + route("other", "x")})
    go_on.set()
    thread.join()
    assert (answers[0].status_code, answers[0].text) == (200, "first second")
    assert host.get("/api/echo").status_code == 404


def test_requests_never_meet_half_a_reload(start_host: StartHost) -> None:
    def version(number: int) -> dict[str, str]:
        return {"function_app.py": HEAD + route(f"f{number}", f"v{number}", "now") + route("always", f"v{number}")}

    host = start_host(version(0))
    problems: list[str] = []
    done = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            while not done.is_set():
                for path in ("/api/now", "/api/always"):
                    response = session.get(host.base_url + path)
                    if response.status_code != 200:
                        problems.append(f"{path}: {response.status_code} {response.text}")

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(1, 4):
        save(host, version(number))
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert host.get("/api/now").text == "v3"


def test_modules_and_new_folders_are_watched_and_environments_caches_and_tests_are_not(start_host: StartHost) -> None:
    main = HEAD + "\nfrom parts.texts import TEXT\n\n\n" + route("hello", "X").replace("'X'", "TEXT").strip() + "\n"
    host = start_host({"function_app.py": main, "parts/texts.py": 'TEXT = "one"\n', "parts/__init__.py": ""})
    for ignored in (
        ".venv/lib/some.py",
        "venv/lib/some.py",
        "myenv/pyvenv.cfg",
        "myenv/lib/some.py",
        "__pycache__/x.py",
        "tests/test_x.py",
        "parts/tests/test_x.py",
        ".git/x.py",
        ".azurite/x.py",
        "node_modules/x.py",
        "data.txt",
    ):
        path = host.root / ignored
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    save(host, {"parts/texts.py": 'TEXT = "two"\n'})
    assert host.get("/api/hello").text == "two"
    save(host, {"more/deep/code.py": "X = 1\n"})
    save(host, {"more/deep/code.py": "X = 2\n"})
    told = [line for line in host.lines if line.endswith("reloading ...")]
    assert [line.split("] ")[1].split(" changed")[0] for line in told] == [
        "parts/texts.py",
        "more/deep/code.py",
        "more/deep/code.py",
    ]


@pytest.mark.parametrize("switch", ["--no-reload", "fileWatchingEnabled"])
def test_watching_can_be_switched_off_and_restart_still_works(start_host: StartHost, switch: str) -> None:
    arguments = ["--no-reload"] if switch == "--no-reload" else []
    host_json = {"version": "2.0"} if arguments else {"version": "2.0", "fileWatchingEnabled": False}
    host = start_host(
        {"function_app.py": HEAD + route("hello", "before"), "host.json": json.dumps(host_json)}, *arguments
    )
    (host.root / "function_app.py").write_text(HEAD + route("hello", "after"))
    assert host.post("/admin/host/restart").json()["isSelfHost"] is True
    host.wait_for("Reloaded in")
    assert host.get("/api/hello").text == "after"
    assert "changed, reloading" not in host.output


def test_settings_reach_the_new_worker_and_host_json_the_routes(start_host: StartHost) -> None:
    def settings(text: str, **host_section: object) -> str:
        return json.dumps({"IsEncrypted": False, "Values": {"MY_TEXT": text}, "Host": host_section})

    code = HEAD + route("hello", "X").replace("'X'", '__import__("os").environ["MY_TEXT"]')
    host = start_host({"function_app.py": code, "local.settings.json": settings("one")})
    assert host.get("/api/hello").text == "one"
    save(host, {"local.settings.json": settings("two", LocalHttpPort=9999)})
    assert host.get("/api/hello").text == "two"
    save(host, {"host.json": '{"version": "2.0", "extensions": {"http": {"routePrefix": "v2"}}}'})
    assert host.get("/v2/hello").text == "two"
    assert host.get("/api/hello").status_code == 404
    (host.root / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": 5}}}')
    host.wait_for("routePrefix")
    assert host.get("/v2/hello").text == "two"
    (host.root / "host.json").write_text("")
    host.wait_for("host.json is missing or empty")
    assert (host.root / "host.json").read_text() == ""


DURABLE = """
import azure.durable_functions as df


@app.route(route="start")
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> str:
    return await client.start_new("waits")


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext):
    first = yield context.call_activity("tell", "one")
    yield context.wait_for_external_event("Go")
    second = yield context.call_activity("tell", "two")
    return [first, second]


@app.activity_trigger(input_name="which")
def tell(which: str) -> str:
    return f"{which} of VERSION"
"""


def test_durable_instances_in_flight_continue_in_the_new_code(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + DURABLE.replace("VERSION", "the old")})
    instance_id = host.get("/api/start").text

    def waiting() -> bool:
        history = host.status(instance_id).get("historyEvents", [])
        return any(event["EventType"] == "TaskCompleted" for event in history)

    until(waiting, host=host)
    save(host, {"function_app.py": HEAD + DURABLE.replace("VERSION", "the new")})
    host.post(f"/runtime/webhooks/durabletask/instances/{instance_id}/raiseEvent/Go", json="go")
    done = host.wait_status(instance_id, "Completed")
    assert done["output"] == ["one of the old", "two of the new"]


def test_durable_functions_can_come_and_go(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + route("hello", "hi")})
    assert host.get("/runtime/webhooks/durabletask/instances").status_code == 404
    save(host, {"function_app.py": HEAD + DURABLE})
    instance_id = host.get("/api/start").text
    host.post(f"/runtime/webhooks/durabletask/instances/{instance_id}/raiseEvent/Go", json="go")
    host.wait_status(instance_id, "Completed")
    save(host, {"function_app.py": HEAD + route("hello", "hi")})
    assert host.get("/runtime/webhooks/durabletask/instances").status_code == 404
    assert host.get("/api/hello").text == "hi"


def test_starters_of_the_first_durable_functions_wait_until_those_are_served(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + route("hello", "hi")})
    answers: list[str] = []

    def ask() -> None:
        with requests.Session() as session:
            while (response := session.get(host.base_url + "/api/start")).status_code == 404:
                pass
            answers.append(response.text)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    save(host, {"function_app.py": HEAD + DURABLE})
    for thread in threads:
        thread.join()
    assert [len(answer) for answer in answers] == [32] * 8, answers


def queue_function(name: str, queue: str, text: str) -> str:
    return f"""

@app.queue_trigger(arg_name="msg", queue_name="{queue}", connection="AzureWebJobsStorage")
def {name}(msg: func.QueueMessage) -> None:
    print("{text}: " + msg.get_body().decode())
"""


def test_queue_listeners_and_timers_come_and_go_with_their_functions(
    start_host: StartHost, connection_string: str
) -> None:
    from azure.storage.queue import QueueServiceClient

    service = QueueServiceClient.from_connection_string(connection_string)
    first, second = service.create_queue("reload-first"), service.create_queue("reload-second")
    host_json = json.dumps({"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}})
    host = start_host({"function_app.py": HEAD + queue_function("one", "reload-first", "a"), "host.json": host_json})
    first.send_message("1")
    host.wait_for("a: 1")
    timer = (
        '\n\n@app.timer_trigger(arg_name="t", schedule="0 0 0 1 1 *", run_on_startup=True)\n'
        'def tick(t: func.TimerRequest) -> None:\n    print("ticked")\n'
    )
    both = queue_function("one", "reload-first", "b") + queue_function("two", "reload-second", "c") + timer
    save(host, {"function_app.py": HEAD + both})
    host.wait_for("ticked")
    first.send_message("2")
    second.send_message("3")
    host.wait_for("b: 2")
    host.wait_for("c: 3")
    save(host, {"function_app.py": HEAD + queue_function("two", "reload-second", "d") + timer})
    second.send_message("4")
    host.wait_for("d: 4")
    first.send_message("5")
    until(lambda: host.output.count("ticked") == 2, host=host)
    save(host, {"function_app.py": HEAD + queue_function("two", "reload-second", "e")})
    assert "5" not in [line.rpartition(": ")[2] for line in host.lines]
    assert host.stop() == 0


RETRIED = """

@app.retry(strategy="fixed_delay", max_retry_count="50", delay_interval="00:00:01")
@app.queue_trigger(arg_name="msg", queue_name="reload-retried", connection="AzureWebJobsStorage")
def retried(msg: func.QueueMessage) -> None:
    BODY
"""


def test_a_retry_runs_the_mended_code(start_host: StartHost, connection_string: str) -> None:
    from azure.storage.queue import QueueServiceClient

    host_json = json.dumps({"version": "2.0", "extensions": {"queues": {"messageEncoding": "none"}}})
    queue = QueueServiceClient.from_connection_string(connection_string).create_queue("reload-retried")
    broken = HEAD + RETRIED.replace("BODY", 'raise ValueError("not yet")')
    host = start_host({"function_app.py": broken, "host.json": host_json})
    queue.send_message("m")
    host.wait_for("ValueError: not yet")
    save(host, {"function_app.py": HEAD + RETRIED.replace("BODY", 'print("mended")')})
    host.wait_for("mended")


def test_the_host_stops_while_a_reload_is_under_way(start_host: StartHost) -> None:
    host = start_host({"function_app.py": HEAD + route("hello", "hi")})
    (host.root / "function_app.py").write_text("import time\nprint('loading')\ntime.sleep(600)\n")
    host.wait_for("loading")
    assert host.stop() == 0


def test_files_without_functions_of_a_folder_app_are_watched_too(start_host: StartHost, tmp_path: Path) -> None:
    root = write_app(
        tmp_path / "v1",
        {
            "one/function.json": json.dumps(
                {
                    "scriptFile": "main.py",
                    "bindings": [
                        {"type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "anonymous"},
                        {"type": "http", "direction": "out", "name": "$return"},
                    ],
                }
            ),
            "one/main.py": "def main(req):\n    return 'v1'\n",
        },
    )
    host = start_host(root)
    assert host.get("/api/one").text == "v1"
    (root / "two").mkdir()
    (root / "two" / "main.py").write_text("def main(req):\n    return 'second'\n")
    (root / "two" / "function.json").write_text((root / "one" / "function.json").read_text())
    until(lambda: host.get("/api/two").text == "second", host=host)
