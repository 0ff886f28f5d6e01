"""What a running Node.js worker does beside calling functions: logs, console, errors, hooks, contexts, its end."""

import asyncio
import json
import logging
import re
from pathlib import Path

import pytest
from node_pools import HEADER, node_index, node_options, running_node
from npm_packages import NpmPackages
from worker_apps import eventually, messages

from durable_host.invocation.datum import string
from durable_host.invocation.errors import AppImportFailed, FunctionFailed, FunctionTimedOut, WorkerLost
from durable_host.invocation.pool import WorkerPool
from durable_host.invocation.requests import InvocationRequest


def returning(body: str, name: str = "f", more: str = "") -> str:
    """A function on a queue message that returns what `body` does."""
    return (
        f"app.storageQueue('{name}', {{ queueName: 'q', connection: '', {more}\n"
        f"  return: output.storageQueue({{ queueName: 'o', connection: '' }}),\n"
        f"  handler: async (item, context) => {{ {body} }} }});\n"
    )


async def test_log_levels_and_console_lines_belong_to_their_invocation(
    tmp_path: Path, npm_packages: NpmPackages, caplog: pytest.LogCaptureFixture
) -> None:
    code = returning("""
      context.trace('t'); context.debug('d %d', 1); context.log('i', { a: 1 }); context.warn('w'); context.error('e');
      console.log('to stdout'); console.error('to stderr');
      await new Promise((done) => setTimeout(done, 1));
      process.stdout.write('half '); process.stdout.write('line\\n');
      setImmediate(() => context.log('after'));""")
    caplog.set_level(1)
    async with running_node(tmp_path, code, npm_packages, minimum_level=0) as app:
        await app.call("f", string(""), invocation_id="the-call")
        await eventually(lambda: "after" in messages(caplog, "Function.f.User"))
    users = [(r.levelno, r.getMessage()) for r in caplog.records if r.name == "Function.f.User"]
    assert users == [(5, "t"), (10, "d 1"), (20, "i { a: 1 }"), (30, "w"), (40, "e"), (20, "after")]
    assert messages(caplog, "Host.Function.Console") == ["to stdout", "to stderr", "half line"]
    owners = {getattr(r, "invocation_id", None) for r in caplog.records if r.name == "Host.Function.Console"}
    assert owners == {"the-call"}
    assert any("Unexpected call to 'log' on the context object" in text for text in messages(caplog, "Host.Worker"))


async def test_printed_stacks_do_not_show_the_worker(
    tmp_path: Path, npm_packages: NpmPackages, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    code = returning("context.error(new Error('logged')); console.error(new Error('printed')); console.log('end');")
    async with running_node(tmp_path, code, npm_packages) as app:
        await app.call("f", string(""))
        await eventually(lambda: "end" in messages(caplog, "Host.Function.Console"))
    logged, printed = messages(caplog, "Function.f.User"), messages(caplog, "Host.Function.Console")
    for text, message in (("\n".join(logged), "Error: logged"), ("\n".join(printed), "Error: printed")):
        assert message in text
        assert "functions.js:" in text
        assert "worker_node" not in text


async def test_records_below_the_least_level_stay_in_the_worker(
    tmp_path: Path, npm_packages: NpmPackages, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    async with running_node(
        tmp_path, returning("context.log('i'); context.warn('w');"), npm_packages, minimum_level=30
    ) as app:
        await app.call("f", string(""))
        assert messages(caplog, "Function.f.User") == ["w"]


ERRORS = [
    ("throw new TypeError('bad thing')", "TypeError", "bad thing", True),
    ("throw 'text'", "Error", "text", False),
    ("throw { code: 7 }", "Error", '{"code":7}', False),
    ("throw 7", "Error", "Unknown error", False),
    ("throw Object.assign(new Error('named'), { name: 'MyError' })", "MyError", "named", True),
]


async def test_errors_have_their_message_and_the_users_frames(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = "".join(returning(body, f"f{number}") for number, (body, *_) in enumerate(ERRORS))
    async with running_node(tmp_path, code, npm_packages) as app:
        for number, (_, name, message, has_stack) in enumerate(ERRORS):
            with pytest.raises(FunctionFailed) as raised:
                await app.call(f"f{number}", string(""))
            error = raised.value
            assert (error.type, error.message, str(error)) == (name, message, message)
            assert ("src/functions/functions.js" in error.stack) is has_stack
            assert "worker_node" not in error.stack
            assert "@azure/functions" not in error.stack


@pytest.mark.differs("node-causes")
async def test_causes_and_collected_errors_are_in_the_stack(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = returning("throw new Error('outer', { cause: new RangeError('inner') });")
    code += returning("await Promise.any([Promise.reject(new Error('one'))]);", "g")
    async with running_node(tmp_path, code, npm_packages) as app:
        with pytest.raises(FunctionFailed) as raised:
            await app.call("f", string(""))
        assert raised.value.message == "outer"
        assert "[cause]: RangeError: inner" in raised.value.stack
        with pytest.raises(FunctionFailed) as raised:
            await app.call("g", string(""))
        assert "Error: one" in raised.value.stack


async def test_nothing_thrown_is_not_an_error(tmp_path: Path, npm_packages: NpmPackages) -> None:
    async with running_node(
        tmp_path, returning("throw null;") + returning("throw undefined;", "g"), npm_packages
    ) as app:
        assert (await app.call("f", string(""))).return_value is None
        assert (await app.call("g", string(""))).return_value is None


async def test_stacks_show_lines_of_typescript(tmp_path: Path, npm_packages: NpmPackages) -> None:
    """The map says that line 2 of the script is line 5 of the source."""
    mapping = {"version": 3, "file": "a.js", "sources": ["../src/a.ts"], "names": [], "mappings": ";AAIA,IAAM"}
    code = HEADER.replace("\n", " ") + "\nconst boom = () => { throw new Error('mapped'); };\n" + returning("boom();")
    files = {
        "dist/a.js": code + "//# sourceMappingURL=a.js.map\n",
        "dist/a.js.map": json.dumps(mapping),
        "src/a.ts": "\n" * 9,
    }
    async with running_node(tmp_path, files, npm_packages, package={"main": "dist/*.js"}) as app:
        with pytest.raises(FunctionFailed) as raised:
            await app.call("f", string(""))
        assert f"{tmp_path}/src/a.ts:5" in raised.value.stack
        assert raised.value.failure.file == str(tmp_path / "src" / "a.ts")
        assert raised.value.failure.line == 5


async def test_hooks_see_and_change_an_invocation(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = """
    const seen = [];
    app.hook.appStart((context) => { seen.push('start'); context.hookData.x = 1; });
    app.hook.preInvocation(async (context) => {
      seen.push('pre'); context.hookData.mark = 'm'; context.inputs[0] = 'changed';
      const inner = context.functionHandler;
      context.functionHandler = (...given) => inner(...given);
      try { context.invocationContext = 1; } catch (error) { seen.push(error.message); }
    });
    app.hook.postInvocation((context) => {
      seen.push(`post ${context.hookData.mark} ${context.result?.item ?? context.error?.message}`);
      if (context.error) { context.error = null; context.result = { healed: true }; }
    });
    """
    code += returning("return { item, seen };") + returning("throw new Error('sick');", "g")
    async with running_node(tmp_path, code, npm_packages) as app:
        first = json.loads(await app.text("f", string("x")) or "")
        assert first["item"] == "changed"
        assert first["seen"] == [
            "start",
            "pre",
            "Cannot assign to read only property 'invocationContext'",
            "post m changed",
        ]
        assert json.loads(await app.text("g", string("x")) or "") == {"healed": True}


async def test_a_hook_that_fails_before_the_call_fails_it(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = "app.hook.preInvocation(() => { throw new Error('no entry'); });\n" + returning("console.log('ran');")
    async with running_node(tmp_path, code, npm_packages) as app:
        with pytest.raises(FunctionFailed, match="no entry"):
            await app.call("f", string(""))


async def test_log_hooks_change_records_of_users(
    tmp_path: Path, npm_packages: NpmPackages, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
    app.hook.log((context) => {
      context.message = `[${context.level}] ${context.message}`; context.level = 'warning';
    });
    app.hook.log(() => { throw new Error('ignored'); });
    """
    caplog.set_level(1)
    async with running_node(tmp_path, code + returning("context.log('hi');"), npm_packages) as app:
        await app.call("f", string(""))
    assert messages(caplog, "Function.f.User", logging.WARNING) == ["[information] hi"]


async def test_terminate_hooks_run_at_the_end(
    tmp_path: Path, npm_packages: NpmPackages, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    code = "app.hook.appTerminate(async () => { console.log('goodbye'); });\n" + returning("")
    async with running_node(tmp_path, code, npm_packages):
        pass
    assert "goodbye" in messages(caplog, "Host.Function.Console")


async def test_contexts_of_retries_and_traces(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = returning("return { retry: context.retryContext, trace: context.traceContext, id: context.invocationId };")
    async with running_node(tmp_path, code, npm_packages) as app:
        first = json.loads(await app.text("f", string(""), invocation_id="one", max_retry_count=2) or "")
        assert first == {"trace": {"traceParent": "", "traceState": "", "attributes": {}}, "id": "one"}
        again = await app.text(
            "f", string(""), retry_count=1, max_retry_count=2, last_error=("bad", "at x"), trace_parent="00-a-b-01"
        )
        second = json.loads(again or "")
        assert second["trace"]["traceParent"] == "00-a-b-01"
        assert (second["retry"]["retryCount"], second["retry"]["maxRetryCount"]) == (1, 2)
        assert second["retry"]["exception"]["message"] == "bad"


async def test_calls_run_beside_each_other(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = """
    const waiting = [];
    const all = () => new Promise((go) => {
      waiting.push(go);
      if (waiting.length === 50) waiting.forEach((one) => one());
    });
    """
    code += returning("await all(); return item;")
    async with running_node(tmp_path, code, npm_packages) as app:
        results = await asyncio.gather(*(app.text("f", string(str(number))) for number in range(50)))
        assert results == [str(number) for number in range(50)]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (
            "setImmediate(() => { throw new Error('loose'); }); await new Promise(() => {});",
            "Worker uncaught exception",
        ),
        ("Promise.reject(new Error('loose')); await new Promise(() => {});", "Error: loose"),
        ("console.log('last words'); process.exit(3);", "last words"),
    ],
    ids=["uncaught", "rejection", "exit"],
)
async def test_a_process_that_dies_fails_its_calls_and_is_started_again(
    tmp_path: Path, npm_packages: NpmPackages, caplog: pytest.LogCaptureFixture, body: str, lines: str
) -> None:
    caplog.set_level(1)
    code = returning(body) + returning("return 'alive';", "g")
    async with running_node(tmp_path, code, npm_packages) as app:
        with pytest.raises(WorkerLost, match=r"code 3" if "exit" in body else r"code 1"):
            await app.call("f", string(""))
        assert await app.text("g", string("")) == "alive"
    assert any(lines in record.getMessage() for record in caplog.records)


async def test_a_full_heap_names_the_setting_for_more(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = returning("const all = []; for (;;) all.push(new Array(1000).fill(all.length));")
    async with running_node(tmp_path, code, npm_packages, arguments=("--max-old-space-size=20",)) as app:
        with pytest.raises(WorkerLost) as raised:
            await app.call("f", string(""))
        assert "languageWorkers__node__arguments" in (raised.value.remedy or "")


async def test_calls_finish_within_the_grace_of_a_stop(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = returning("console.log('begun'); await new Promise((done) => setTimeout(done, 300)); return 'done';")
    async with running_node(tmp_path, code, npm_packages) as app:
        call = asyncio.create_task(app.text("f", string("")))
        await eventually(lambda: app.pool.current.processes()[0].running_calls == 1)
        await app.pool.stop(10)
        assert await call == "done"


async def test_several_entry_points_make_one_app(tmp_path: Path, npm_packages: NpmPackages) -> None:
    files = {
        "src/functions/a.js": HEADER + returning("return 1;"),
        "src/functions/b.js": HEADER + returning("return 2;", "g"),
    }
    async with running_node(tmp_path, files, npm_packages) as app:
        assert [await app.text(name, string("")) for name in ("f", "g")] == ["1", "2"]


async def test_a_node_that_is_too_old_is_refused(tmp_path: Path, npm_packages: NpmPackages) -> None:
    old = tmp_path / "old-node"
    old.write_text("#!/bin/sh\necho 'Node.js 16.20.0 is too old, 18 or later is needed' >&2\nexit 78\n")
    old.chmod(0o755)
    pool = WorkerPool(node_options(tmp_path, executable=old))
    with pytest.raises(Exception, match="is too old to run the app") as raised:
        await pool.start()
    assert raised.value.code == "DH4004"  # type: ignore[attr-defined]
    assert "Node.js 20" in raised.value.remedy  # type: ignore[attr-defined]


async def test_a_node_that_is_missing_is_named(tmp_path: Path) -> None:
    pool = WorkerPool(node_options(tmp_path, executable=Path("/no/such/node")))
    with pytest.raises(Exception, match="/no/such/node") as raised:
        await pool.start()
    assert raised.value.code == "DH4004"  # type: ignore[attr-defined]


async def test_test_mode_of_the_library_is_an_error(tmp_path: Path, npm_packages: NpmPackages) -> None:
    text = 'WARNING: Skipping call to register function "x" because the "@azure/functions" package is in test mode.'
    index = await node_index(tmp_path, f"console.warn('{text}');", npm_packages)
    assert isinstance(index.failure, AppImportFailed)
    assert "bundle" in (index.failure.remedy or "")


async def test_an_unknown_function_is_refused(tmp_path: Path, npm_packages: NpmPackages) -> None:
    async with running_node(tmp_path, returning(""), npm_packages) as app:
        process = app.pool.current.processes()[0]
        with pytest.raises(FunctionFailed, match="Function code for 'gone' is not loaded and cannot be invoked"):
            await process.invoke(InvocationRequest(function="gone", invocation_id="1", inputs={}))


async def test_only_named_functions_are_served(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = returning("") + returning("", "g")
    async with running_node(tmp_path, code, npm_packages, functions=("G",)) as app:
        assert [function.name for function in app.index.functions] == ["g"]
        assert app.index.excluded == ("f",)


@pytest.mark.differs("node-blocked-loop")
async def test_code_that_blocks_the_loop_is_named(
    tmp_path: Path, npm_packages: NpmPackages, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    flag = tmp_path / "flag"
    code = returning(f"while (!require('fs').existsSync('{flag}')) {{}}\n return 'done';")
    async with running_node(tmp_path, code, npm_packages) as app:
        call = asyncio.create_task(app.text("f", string("")))
        await eventually(lambda: any("has been blocked" in text for text in messages(caplog, "Host.Worker")))
        flag.touch()
        assert await call == "done"
        assert await app.text("f", string("")) == "done"
    (text, *_) = [text for text in messages(caplog, "Host.Worker") if "has been blocked" in text]
    assert re.search(rf"at {re.escape(str(tmp_path))}/src/functions/functions\.js:\d+ in handler", text)
    assert not any("Debugger" in text for text in messages(caplog, "Host.Function.Console"))


async def test_a_call_that_takes_too_long_costs_the_process(tmp_path: Path, npm_packages: NpmPackages) -> None:
    code = returning("await new Promise(() => {});") + returning("return process.pid;", "g")
    async with running_node(tmp_path, code, npm_packages) as app:
        before = await app.text("g", string(""))
        with pytest.raises(FunctionTimedOut):
            await app.call("f", string(""), timeout=0.2)
        assert await app.text("g", string("")) != before
