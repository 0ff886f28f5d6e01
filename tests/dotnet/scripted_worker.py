"""A stand-in for the worker of a .NET isolated app: speaks FunctionRpc as the real one does, and needs no .NET.

The app's folder has `scripted.json`, which `scripted_apps.py` writes:

    {"functions": [{"name": "Hello", "bindings": [...], "does": "echo", "retry": {...}}, ...],
     "capabilities": {...}, "misbehaves": [...], "web": {...}}

`does` is a name in `BEHAVIOURS`, or protobuf JSON of an `InvocationResponse`. Instead, the folder may have `code.py`
with a function of the same name, which gets a `Call`. In apps with `"web"`, `scripted_web.py` serves HTTP functions.
"""

import argparse
import asyncio
import importlib.util
import inspect
import json
import os
import sys
import urllib.parse
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import rpc_messages as rpc
from event_stream_client import EventStreamClient
from google.protobuf.json_format import MessageToDict, ParseDict

CAPABILITIES = (
    "EnableUserCodeException", "RawHttpBodyBytes", "UseNullableValueDictionaryForHttp", "TypedDataCollection",
    "IncludeEmptyEntriesInMessagePayload", "RpcHttpTriggerMetadataRemoved", "RpcHttpBodyOnly",
    "HandlesWorkerTerminateMessage", "WorkerStatus", "HandlesInvocationCancelMessage",
)  # fmt: skip
TRACE, DEBUG, INFORMATION, WARNING, ERROR, CRITICAL = range(6)
FAILURE, SUCCESS, CANCELLED = range(3)
SYSTEM = 1
DISPATCHER = "Microsoft.Azure.Functions.Worker.FunctionsApplication"


class Failure(Exception):
    """An exception in user code, as .NET reports it."""

    def __init__(self, type: str, message: str, inner: "Failure | None" = None) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
        self.inner = inner

    def details(self, stack: str = "") -> dict[str, Any]:
        """Protobuf JSON of `TaskFailureDetails`."""
        details: dict[str, Any] = {"errorType": self.type, "errorMessage": self.message}
        if stack:
            details["stackTrace"] = stack
        if self.inner is not None:
            details["innerFailure"] = self.inner.details()
        return details


class Call:
    """One invocation. `trigger` is the datum of the trigger; `data` are all inputs, `metadata` the trigger metadata.

    `cancelled` is set when the host cancels the invocation.
    """

    def __init__(self, worker: "ScriptedWorker", function: dict[str, Any], request: Any) -> None:
        self.worker = worker
        self.function = function
        self.request = request
        self.id: str = request.invocation_id
        self.data = {entry.name: entry.data for entry in request.input_data}
        self.metadata = dict(request.trigger_metadata)
        self.cancelled = asyncio.Event()
        self.outputs: dict[str, Any] = {}

    @property
    def trigger_binding(self) -> dict[str, Any]:
        none = {"type": "", "name": ""}
        return next((one for one in self.function["bindings"] if one["type"].lower().endswith("trigger")), none)

    @property
    def kind(self) -> str:
        """The trigger's type, in lower case."""
        return self.trigger_binding["type"].lower()

    @property
    def trigger(self) -> Any:
        return self.data.get(self.trigger_binding["name"], rpc.TypedData())

    def log(self, message: str, level: int = INFORMATION, category: str = "Scripted.Functions") -> None:
        self.worker.log(message, level, category, self.id)

    def respond(
        self,
        body: bytes | str = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        cookies: tuple[dict[str, Any], ...] = (),
    ) -> Any:
        """An HTTP response, in RpcHttp mode."""
        datum = rpc.TypedData()
        http = datum.http
        http.status_code = str(status)
        for name, value in (headers or {}).items():
            http.headers[name] = value
        content = body.encode() if isinstance(body, str) else body
        if content:
            http.body.bytes = content
        for cookie in cookies:
            ParseDict(cookie, http.cookies.add())
        return datum

    def seen(self) -> dict[str, Any]:
        """What the host sent, as JSON that tests can read."""
        return {
            "input": {name: as_json(datum) for name, datum in self.data.items()},
            "metadata": {name: as_json(datum) for name, datum in self.metadata.items()},
            "retry": as_json(self.request.retry_context),
            "trace": self.request.trace_context.trace_parent,
            "invocationId": self.id,
        }


def as_json(message: Any) -> Any:
    return MessageToDict(message, preserving_proto_field_name=True)


def datum_of(value: object) -> Any:
    """The datum that .NET sends for a value: text and bytes as they are, everything else as JSON."""
    if isinstance(value, rpc.TypedData):
        return value
    datum = rpc.TypedData()
    if isinstance(value, str):
        datum.string = value
    elif isinstance(value, bytes):
        datum.bytes = value
    elif value is not None:
        datum.json = json.dumps(value)
    return datum


def echo(call: Call) -> object:
    """Returns what the host sent."""
    if call.kind == "httptrigger":
        return call.respond(json.dumps(call.seen()), headers={"Content-Type": "application/json"})
    if call.kind == "activitytrigger":
        return json.loads(call.trigger.json or call.trigger.string or "null")
    call.log("Got " + json.dumps(call.seen()))
    return None


def fail(call: Call) -> object:
    raise Failure("System.InvalidOperationException", "no luck today", Failure("System.FormatException", "inner"))


async def wait(call: Call) -> object:
    """Runs until it is cancelled, which .NET reports as a failure."""
    call.log("waits", WARNING)
    await call.cancelled.wait()
    raise Failure("System.Threading.Tasks.TaskCanceledException", "A task was canceled.")


async def never_end(call: Call) -> object:
    """Ignores cancellation."""
    call.log("never ends", WARNING)
    await asyncio.Event().wait()
    return None


def die(call: Call) -> object:
    call.worker.exit(1)


def log_levels(call: Call) -> object:
    for level, name in enumerate(("trace", "debug", "information", "warning", "error", "critical")):
        call.log(f"at {name}", level)
    call.worker.log("a system line", INFORMATION, "Microsoft.Azure.Functions.Worker", call.id, SYSTEM)
    return None


BEHAVIOURS: dict[str, Callable[[Call], object]] = {
    "echo": echo,
    "fail": fail,
    "wait": wait,
    "never end": never_end,
    "die": die,
    "log": log_levels,
}

MISBEHAVIOURS = frozenset(
    {
        "exits at once",  # with text on stderr and code 134
        "never connects",
        "sends nothing",  # connects, but no StartStream
        "wrong worker id",
        "wrong first message",
        "second stream",  # with the same worker id, after init
        "garbage frames",  # bytes that are not HTTP/2
        "garbage message",  # a message that is not protobuf, instead of StartStream
        "garbage later",  # the same instead of the answer to the first invocation
        "init silent",
        "init fails",
        "metadata silent",
        "metadata fails",
        "default indexing",
        "load silent",
        "dies at load",
        "no answer to status",
        "ignores terminate",
        "empty messages",  # before each answer, and a message of an unknown kind
        "floods logs",
    }
)


class ScriptedWorker:
    """`script` is the content of scripted.json, `code` the handlers of code.py. `exit` ends the process."""

    def __init__(
        self,
        script: Mapping[str, Any],
        code: Mapping[str, Callable[[Call], object]] | None = None,
        *,
        app: Path | None = None,
        exit: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        self.app = app
        self.exit = exit
        self.functions: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, Call] = {}
        self.init_request: Any = None
        self.misbehaves = frozenset(script.get("misbehaves", ()))
        assert self.misbehaves <= MISBEHAVIOURS, self.misbehaves - MISBEHAVIOURS
        self._script = script
        self._code = code or {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stream: EventStreamClient | None = None
        self._web: Any = None

    async def run(self, host: str, port: int, worker_id: str) -> None:
        """Until the host ends the stream."""
        if "exits at once" in self.misbehaves:
            print("Unhandled exception. System.IO.FileNotFoundException: no such assembly", file=sys.stderr, flush=True)
            self.exit(134)
        if "never connects" in self.misbehaves:
            await asyncio.Event().wait()
        stream = self._stream = await EventStreamClient.connect(host, port)
        self._start(stream, worker_id)
        async for body in stream.messages():
            message = rpc.StreamingMessage.FromString(body)
            kind = message.WhichOneof("content")
            handler: Callable[[Any, str], Awaitable[None]] | None = getattr(self, f"_on_{kind}", None)
            if handler is not None:
                if "empty messages" in self.misbehaves:
                    self.send()
                    stream.send(b"\xd2\x3e\x01x")  # field 1002, which no host knows
                await handler(getattr(message, kind), message.request_id)
            if "second stream" in self.misbehaves and kind == "worker_init_request":
                await self._open_second(host, port, worker_id)

    def send(self, request_id: str = "", **content: Any) -> None:
        assert self._stream is not None
        self._stream.send(rpc.StreamingMessage(request_id=request_id, **content).SerializeToString())

    def log(self, message: str, level: int, category: str, invocation_id: str = "", log_category: int = 0) -> None:
        self.send(
            rpc_log=rpc.RpcLog(
                invocation_id=invocation_id,
                category=category,
                level=level,
                message=message,
                event_id="0",
                log_category=log_category,
            )
        )

    def _start(self, stream: EventStreamClient, worker_id: str) -> None:
        if "sends nothing" in self.misbehaves:
            return
        if "garbage frames" in self.misbehaves:
            stream.send_raw(b"HTTP/1.1 200 OK\r\n\r\n" * 50)
        if "garbage message" in self.misbehaves:
            stream.send(b"\xff\xff\xff\xff")
        if "wrong first message" in self.misbehaves:
            self.send(worker_status_response=rpc.WorkerStatusResponse())
        named = str(uuid.uuid4()) if "wrong worker id" in self.misbehaves else worker_id
        self.send(str(uuid.uuid4()), start_stream=rpc.StartStream(worker_id=named))

    async def _open_second(self, host: str, port: int, worker_id: str) -> None:
        second = await EventStreamClient.connect(host, port)
        start = rpc.StreamingMessage(start_stream=rpc.StartStream(worker_id=worker_id))
        second.send(start.SerializeToString())
        self.spawn(_drain(second))

    # One method for each kind of message

    async def _on_worker_init_request(self, request: Any, request_id: str) -> None:
        self.init_request = request
        if "init silent" in self.misbehaves:
            return
        capabilities: dict[str, str] = dict(self._script.get("capabilities") or dict.fromkeys(CAPABILITIES, "True"))
        if "web" in self._script:
            from scripted_web import ScriptedWeb

            self._web = ScriptedWeb(self, self._script["web"], self._code)
            capabilities["HttpUri"] = await self._web.announce()
        self.log(json.dumps({"AppName": "Scripted"}), DEBUG, "Microsoft.Azure.Functions.Worker", log_category=SYSTEM)
        failed = "init fails" in self.misbehaves
        response = rpc.WorkerInitResponse(
            worker_version="2.52.0.0",
            capabilities=capabilities,
            result=_failed("no worker") if failed else _succeeded(),
        )
        response.worker_metadata.runtime_name = ".NET"
        response.worker_metadata.runtime_version = "10.0.12"
        response.worker_metadata.worker_version = "2.52.0.0"
        self.send(request_id, worker_init_response=response)
        self.log("Application started. Press Ctrl+C to shut down.", INFORMATION, "Microsoft.Hosting.Lifetime")

    async def _on_functions_metadata_request(self, request: Any, request_id: str) -> None:
        if "metadata silent" in self.misbehaves:
            return
        failed = "metadata fails" in self.misbehaves
        response = rpc.FunctionMetadataResponse(
            function_metadata_results=() if failed else self._metadata(),
            result=_failed("no metadata") if failed else _succeeded(),
            use_default_metadata_indexing="default indexing" in self.misbehaves,
        )
        self.send(request_id, function_metadata_response=response)

    def _metadata(self) -> Iterator[Any]:
        for number, function in enumerate(self._script["functions"]):
            metadata = rpc.RpcFunctionMetadata(
                name=function["name"],
                script_file="Scripted.dll",
                entry_point=f"Scripted.Functions.{function['name']}",
                language="dotnet-isolated",
                function_id=str(1_000_000 + number),
                raw_bindings=[json.dumps(binding) for binding in function["bindings"]],
            )
            for binding in function["bindings"]:
                metadata.bindings[binding["name"]].type = binding["type"]
            if "retry" in function:
                ParseDict(function["retry"], metadata.retry_options)
            yield metadata

    async def _on_function_load_request(self, request: Any, request_id: str) -> None:
        if "load silent" in self.misbehaves:
            return
        if "dies at load" in self.misbehaves:
            self.exit(3)
        name = request.metadata.name
        function = next((one for one in self._script["functions"] if one["name"] == name), None)
        if self.app is not None and not os.environ.get("FUNCTIONS_APPLICATION_DIRECTORY"):
            result = _failed("The 'FUNCTIONS_APPLICATION_DIRECTORY' environment variable value is not defined.")
        elif request.function_id in self.functions:
            result = _failed(f"A function with the id '{request.function_id}' name {name} already exists.")
        elif function is None or function.get("loads") is False:
            result = _failed(f"Method '{name}' specified in entry point was not found.")
        else:
            self.functions[request.function_id] = function
            result = _succeeded()
        self.send(
            request_id,
            function_load_response=rpc.FunctionLoadResponse(function_id=request.function_id, result=result),
        )
        if self._web is not None:
            await self._web.loaded(len(self._script["functions"]))

    async def _on_invocation_request(self, request: Any, request_id: str) -> None:
        self.spawn(self._invoke(request))

    async def _on_invocation_cancel(self, request: Any, request_id: str) -> None:
        call = self.calls.get(request.invocation_id)
        if call is not None:
            call.log(f"{call.function['name']} was canceled")
            call.cancelled.set()
        self.send()  # .NET answers with an empty message

    async def _on_worker_status_request(self, request: Any, request_id: str) -> None:
        if "no answer to status" not in self.misbehaves:
            self.send(request_id, worker_status_response=rpc.WorkerStatusResponse())

    async def _on_worker_terminate(self, request: Any, request_id: str) -> None:
        """.NET ends immediately, without waiting for invocations."""
        if "ignores terminate" not in self.misbehaves:
            assert self._stream is not None
            await self._stream.writer.drain()
            self.exit(0)

    # Invocations

    async def _invoke(self, request: Any) -> None:
        function = self.functions.get(request.function_id, {"name": "?", "bindings": []})
        call = self.calls[request.invocation_id] = Call(self, function, request)
        response = rpc.InvocationResponse(invocation_id=call.id)
        try:
            _check(call)
            returned = await self._run(call)
        except Exception as error:
            self._fail(call, response, error)
        else:
            if isinstance(returned, rpc.InvocationResponse):
                response.MergeFrom(returned)
            else:
                response.result.status = SUCCESS
                datum = datum_of(returned)
                if datum.WhichOneof("data") is not None:
                    response.return_value.CopyFrom(datum)
            for name, value in call.outputs.items():
                response.output_data.add(name=name).data.CopyFrom(datum_of(value))
        del self.calls[call.id]
        if "garbage later" in self.misbehaves and self._stream is not None:
            self._stream.send(b"\xff\xff\xff\xff")
            return
        if "floods logs" in self.misbehaves:
            for number in range(2_000):
                call.log(f"line {number} " + "x" * 200)
        self.send(invocation_response=response)

    async def _run(self, call: Call) -> object:
        if not call.function["bindings"]:
            raise Failure("System.InvalidOperationException", f"There is no function {call.request.function_id}.")
        if self._web is not None and call.kind == "httptrigger":
            return await self._web.join(call)
        handler = self._code.get(call.function["name"])
        if handler is None:
            does = call.function.get("does", "echo")
            if isinstance(does, dict):
                return ParseDict(does, rpc.InvocationResponse(result=_succeeded()))
            handler = BEHAVIOURS[does]
        returned = handler(call)
        return await returned if inspect.isawaitable(returned) else returned

    def _fail(self, call: Call, response: Any, error: Exception) -> None:
        name = call.function["name"]
        stack = f"   at Scripted.Functions.{name}() in Functions.cs:line 7"
        failure = error if isinstance(error, Failure) else Failure(f"Python.{type(error).__name__}", str(error))
        is_cancelled = failure.type == "System.OperationCanceledException"
        response.result.status = CANCELLED if is_cancelled else FAILURE
        exception = response.result.exception
        exception.message, exception.type = failure.message, failure.type
        if call.kind == "activitytrigger":
            exception.message = json.dumps(failure.details(stack))
            exception.type = "Microsoft.Azure.Functions.Worker.Extensions.DurableTask.DurableSerializationException"
        exception.source = "Scripted"
        exception.stack_trace = stack
        exception.is_user_exception = True
        entry = rpc.RpcLog(
            invocation_id=call.id,
            category=DISPATCHER,
            level=ERROR,
            message=f"Function '{name}', Invocation id '{call.id}': An exception was thrown by the invocation.",
            event_id="InvocationError",
        )
        entry.exception.message = f"{failure.type}: {failure.message}\n{stack}"
        self.send(rpc_log=entry)

    def spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _check(call: Call) -> None:
    """What .NET cannot convert."""
    known: set[str] = set()
    for name in call.metadata:
        if name.lower() in known:
            raise Failure("System.ArgumentException", f"An item with the same key has already been added. Key: {name}")
        known.add(name.lower())
    for datum in (*call.data.values(), *call.metadata.values()):
        if datum.WhichOneof("data") == "int":
            raise Failure("System.NotSupportedException", "Int is not supported.")
    http = call.trigger.http if call.trigger.WhichOneof("data") == "http" else None
    if http is not None and http.HasField("body") and http.body.WhichOneof("data") not in ("bytes", None):
        raise Failure("System.NotSupportedException", "GrpcHttpRequestData expects binary data only.")


def _succeeded() -> Any:
    return rpc.StatusResult(status=SUCCESS)


def _failed(message: str) -> Any:
    exception = rpc.RpcException(
        message=f"System.InvalidOperationException: {message}",
        source="Scripted",
        stack_trace="   at Scripted.Loading()",
    )
    return rpc.StatusResult(status=FAILURE, exception=exception)


async def _drain(stream: EventStreamClient) -> None:
    async for _ in stream.messages():
        pass


def handlers_of(app: Path) -> dict[str, Callable[[Call], object]]:
    """The functions in code.py."""
    path = app / "code.py"
    if not path.is_file():
        return {}
    spec = importlib.util.spec_from_file_location("scripted_code", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if callable(value)}


async def _run_process(uri: str, worker_id: str) -> None:
    app = Path(os.environ.get("FUNCTIONS_APPLICATION_DIRECTORY") or os.getcwd())
    worker = ScriptedWorker(json.loads((app / "scripted.json").read_text("utf-8")), handlers_of(app), app=app)
    place = urllib.parse.urlparse(uri)
    assert place.hostname is not None
    assert place.port is not None
    await worker.run(place.hostname, place.port, worker_id)
    await asyncio.Event().wait()  # .NET lives on when the host ends the stream


def main() -> None:
    """Take the arguments of a worker. Without an address or a message size, end as .NET does."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("uri", "worker-id", "request-id", "grpc-max-message-length"):
        parser.add_argument(f"--functions-{name}")
    options, _ = parser.parse_known_args()
    if not options.functions_uri or not int(options.functions_grpc_max_message_length or 0):
        missing = "Configuration is missing the 'HostEndpoint' information or the message length."
        print(f"Unhandled exception. System.InvalidOperationException: {missing}", file=sys.stderr, flush=True)
        os.abort()
    asyncio.run(_run_process(options.functions_uri, options.functions_worker_id))


if __name__ == "__main__":
    main()
