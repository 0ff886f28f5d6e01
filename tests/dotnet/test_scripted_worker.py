"""The scripted worker, connected to a server of grpcio."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import rpc_messages as rpc
from scripted_apps import durable_function, http_function, queue_function, write_scripted_app
from scripted_worker import FAILURE, SUCCESS, Failure, ScriptedWorker

PATIENCE = 30
ID = "worker-1"


class OfficialEnd:
    """The host's end of the stream."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.logs: list[Any] = []
        self._to_send: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        reading = asyncio.ensure_future(self._read(requests))
        while (body := await self._to_send.get()) is not None:
            yield body
        reading.cancel()

    def send(self, **content: Any) -> None:
        self._to_send.put_nowait(rpc.StreamingMessage(request_id="r1", **content).SerializeToString())

    def end(self) -> None:
        self._to_send.put_nowait(None)

    async def next(self, kind: str) -> Any:
        """The next message that is not a log; its content."""
        async with asyncio.timeout(PATIENCE):
            message = await self.received.get()
        assert message.WhichOneof("content") == kind, message
        return getattr(message, kind)

    async def load(self, function_id: str, name: str) -> Any:
        metadata = rpc.RpcFunctionMetadata(name=name)
        self.send(function_load_request=rpc.FunctionLoadRequest(function_id=function_id, metadata=metadata))
        return await self.next("function_load_response")

    async def invoke(self, function_id: str, metadata: dict[str, Any] | None = None, **inputs: Any) -> Any:
        request = rpc.InvocationRequest(invocation_id="i1", function_id=function_id)
        for name, datum in inputs.items():
            request.input_data.add(name=name).data.CopyFrom(datum)
        for name, datum in (metadata or {}).items():
            request.trigger_metadata[name].CopyFrom(datum)
        self.send(invocation_request=request)
        return await self.next("invocation_response")

    async def _read(self, requests: AsyncIterator[bytes]) -> None:
        async for body in requests:
            message = rpc.StreamingMessage.FromString(body)
            if message.WhichOneof("content") == "rpc_log":
                self.logs.append(message.rpc_log)
            else:
                self.received.put_nowait(message)


@asynccontextmanager
async def connected(worker: ScriptedWorker) -> AsyncIterator[OfficialEnd]:
    end = OfficialEnd()
    handler = grpc.stream_stream_rpc_method_handler(end.stream)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("AzureFunctionsRpcMessages.FunctionRpc", {"EventStream": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    running = asyncio.ensure_future(worker.run("127.0.0.1", port, ID))
    try:
        yield end
        end.end()
        await asyncio.wait_for(running, PATIENCE)
    finally:
        running.cancel()
        await server.stop(None)


async def test_begins_with_its_id_and_answers_the_handshake() -> None:
    worker = ScriptedWorker({"functions": [http_function("Hello")]})
    async with connected(worker) as host:
        assert (await host.next("start_stream")).worker_id == ID
        host.send(worker_init_request=rpc.WorkerInitRequest(host_version="4"))
        init = await host.next("worker_init_response")
        host.send(functions_metadata_request=rpc.FunctionsMetadataRequest())
        (function,) = (await host.next("function_metadata_response")).function_metadata_results
        loaded = await host.load(function.function_id, "Hello")
    assert init.capabilities["RawHttpBodyBytes"] == "True"
    assert function.name == "Hello"
    assert loaded.result.status == SUCCESS


async def test_echoes_an_invocation() -> None:
    worker = ScriptedWorker({"functions": [queue_function("Q", "in")]}, {"Q": lambda call: call.seen()})
    async with connected(worker) as host:
        await host.next("start_stream")
        await host.load("7", "Q")
        answer = await host.invoke("7", {"Id": rpc.TypedData(string="m")}, message=rpc.TypedData(string="text"))
    assert answer.result.status == SUCCESS
    seen = json.loads(answer.return_value.json)
    assert seen["input"] == {"message": {"string": "text"}}
    assert seen["metadata"] == {"Id": {"string": "m"}}


async def test_answers_as_the_script_says() -> None:
    does = {"output_data": [{"name": "Out", "data": {"json": "[1]"}}], "return_value": {"string": "done"}}
    worker = ScriptedWorker({"functions": [queue_function("Q", "in", does=does)]})
    async with connected(worker) as host:
        await host.next("start_stream")
        await host.load("7", "Q")
        answer = await host.invoke("7")
    assert answer.return_value.string == "done"
    assert answer.output_data[0].data.json == "[1]"


async def test_logs_a_failure_before_it_answers() -> None:
    worker = ScriptedWorker({"functions": [queue_function("Q", "in", does="fail")]})
    async with connected(worker) as host:
        await host.next("start_stream")
        await host.load("7", "Q")
        answer = await host.invoke("7")
        assert [log.event_id for log in host.logs] == ["InvocationError"]
    assert answer.result.status == FAILURE
    assert answer.result.exception.type == "System.InvalidOperationException"
    assert answer.result.exception.message == "no luck today"


async def test_fails_an_activity_with_one_line_of_details() -> None:
    def activity(call: object) -> object:
        raise Failure("System.ArgumentException", "bad", Failure("System.FormatException", "inner"))

    worker = ScriptedWorker({"functions": [durable_function("A", "activity")]}, {"A": activity})
    async with connected(worker) as host:
        await host.next("start_stream")
        await host.load("7", "A")
        answer = await host.invoke("7", context=rpc.TypedData(json="1"))
    details = json.loads(answer.result.exception.message)
    assert details["errorType"] == "System.ArgumentException"
    assert details["innerFailure"]["errorMessage"] == "inner"


REFUSED = {
    "keys that differ in case": ({"Id": rpc.TypedData(string="a"), "id": rpc.TypedData(string="b")}, {}),
    "an int": ({}, {"message": rpc.TypedData(int=1)}),
    "a text as HTTP body": ({}, {"message": rpc.TypedData(http=rpc.RpcHttp(body=rpc.TypedData(string="x")))}),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refuses_what_dotnet_refuses(case: str) -> None:
    metadata, inputs = REFUSED[case]
    worker = ScriptedWorker({"functions": [queue_function("Q", "in")]})
    async with connected(worker) as host:
        await host.next("start_stream")
        await host.load("7", "Q")
        answer = await host.invoke("7", metadata, **inputs)
    assert answer.result.status == FAILURE


async def test_cancels_an_invocation_and_answers_with_an_empty_message() -> None:
    worker = ScriptedWorker({"functions": [queue_function("Q", "in", does="wait")]})
    async with connected(worker) as host:
        await host.next("start_stream")
        await host.load("7", "Q")
        host.send(invocation_request=rpc.InvocationRequest(invocation_id="i1", function_id="7"))
        host.send(invocation_cancel=rpc.InvocationCancel(invocation_id="i1"))
        async with asyncio.timeout(PATIENCE):
            messages = [await host.received.get(), await host.received.get()]
    kinds = [message.WhichOneof("content") for message in messages]
    assert sorted(map(str, kinds)) == ["None", "invocation_response"]


@pytest.mark.process
async def test_is_the_program_of_an_app(tmp_path: Path) -> None:
    """Started without the arguments of a worker, it crashes like .NET."""
    app = write_scripted_app(tmp_path, [http_function("Hello")])
    config = json.loads((app / "worker.config.json").read_text("utf-8-sig"))["description"]
    program = str(app / config["defaultWorkerPath"])
    process = await asyncio.create_subprocess_exec(sys.executable, program, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == -6
    assert b"HostEndpoint" in errors
