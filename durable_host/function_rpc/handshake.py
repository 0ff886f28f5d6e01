"""The start of a worker: from its first message until it has loaded the functions.

Source: docs/protocol/function-rpc.md#messages, docs/protocol/function-rpc.md#functions
"""

import asyncio
import logging
import uuid
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from durable_host import __version__
from durable_host.function_rpc import rpc_failures
from durable_host.function_rpc.capabilities import Capabilities, read_capabilities
from durable_host.function_rpc.event_stream import WorkerEventStream
from durable_host.function_rpc.function_index import RpcFunction, read_rpc_function
from durable_host.function_rpc.rpc_messages import StreamingMessage
from durable_host.invocation.errors import WorkerStartFailed
from durable_host.invocation.metadata import FunctionProblem, IndexResult
from durable_host.invocation.worker_options import WorkerOptions

_log = logging.getLogger("Host.Worker")

START_SECONDS = 60.0
INIT_SECONDS = 10.0
METADATA_SECONDS = 60.0
LOAD_SECONDS = 60.0
_SUCCESS: Final = 1
_LOOK_ABOVE: Final = "Look at the lines that the worker has printed above, and restart the host."

_NO_FUNCTIONS: Final = (
    "The app has no method with the attribute [Function] (func new creates one), or its project does not reference "
    "Microsoft.Azure.Functions.Worker.Sdk, which lists them."
)


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that is ready. `functions` are those that it has loaded, by name."""

    capabilities: Capabilities
    functions: dict[str, RpcFunction]
    index: IndexResult


class Handshake:
    """Pass the worker's messages to `received`, and `run` it once."""

    def __init__(self, options: WorkerOptions, stream: WorkerEventStream) -> None:
        self._options = options
        self._stream = stream
        self._arrived: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._is_over = False

    def received(self, kind: str, message: Any) -> None:
        """Take a message with the content `kind`. Nobody reads messages after the start."""
        if not self._is_over:
            self._arrived.put_nowait((kind, message))

    async def run(self) -> Loaded:
        """Raises WorkerStartFailed if the worker does not answer in time, or reports a failure."""
        try:
            return await self._run()
        finally:
            self._is_over = True

    async def _run(self) -> Loaded:
        await self._wait("start_stream", START_SECONDS, "has not connected to the host")
        ready = await self._initialize()
        capabilities = read_capabilities(ready.capabilities)
        functions, problems = await self._ask_functions(capabilities)
        loaded = await self._load(functions, problems)
        worker = ready.worker_metadata
        index = IndexResult(
            functions=tuple(one.metadata for one in loaded),
            errors=tuple(problems),
            model="isolated" if functions or problems else "none",
            dotnet_version=worker.runtime_version,
            executable=str(self._options.executable),
            sdk_versions={"Microsoft.Azure.Functions.Worker": worker.worker_version or ready.worker_version},
            excluded=self._excluded(functions),
            hint=None if functions or problems else _NO_FUNCTIONS,
        )
        return Loaded(capabilities=capabilities, functions={one.metadata.name: one for one in loaded}, index=index)

    async def _initialize(self) -> Any:
        message = StreamingMessage(request_id=str(uuid.uuid4()))
        request = message.worker_init_request
        request.host_version = __version__
        request.capabilities["MultiStream"] = "10"
        request.worker_directory = request.function_app_directory = str(self._options.root)
        self._stream.send(message)
        answer = await self._wait("worker_init_response", INIT_SECONDS, "has not answered the host's first request")
        _check(answer.worker_init_response.result, "The worker could not be initialized.")
        return answer.worker_init_response

    async def _ask_functions(self, capabilities: Capabilities) -> tuple[list[RpcFunction], list[FunctionProblem]]:
        root = self._options.root
        message = StreamingMessage(request_id=str(uuid.uuid4()))
        message.functions_metadata_request.function_app_directory = str(root)
        self._stream.send(message)
        answer = await self._wait("function_metadata_response", METADATA_SECONDS, "has not listed its functions")
        response = answer.function_metadata_response
        _check(response.result, "The worker could not list its functions.")
        if response.use_default_metadata_indexing:
            raise WorkerStartFailed(
                "The worker does not list its functions.",
                cause="It asks the host to read function.json files, which this host does not do for .NET apps.",
                remedy="Update the package Microsoft.Azure.Functions.Worker.",
            )
        read = [read_rpc_function(one, root, capabilities) for one in response.function_metadata_results]
        functions = [one for one in read if isinstance(one, RpcFunction)]
        return functions, [one for one in read if isinstance(one, FunctionProblem)]

    async def _load(self, functions: Iterable[RpcFunction], problems: list[FunctionProblem]) -> list[RpcFunction]:
        """Load the functions. A function that fails becomes a problem; the others work."""
        waiting: dict[str, RpcFunction] = {}
        for function in functions:
            if self._is_wanted(function):
                waiting[function.id] = function
                message = StreamingMessage(request_id=str(uuid.uuid4()))
                message.function_load_request.CopyFrom(function.load_request)
                self._stream.send(message)
        loaded: list[RpcFunction] = []
        what = "has not loaded its functions"
        limit = max(LOAD_SECONDS, self._options.function_timeout or 0.0)
        deadline = asyncio.get_running_loop().time() + limit
        while waiting:
            left = deadline - asyncio.get_running_loop().time()
            response = (await self._wait("function_load_response", left, what, limit)).function_load_response
            function = waiting.pop(response.function_id, None)
            if function is None:
                continue
            if response.result.status == _SUCCESS:
                loaded.append(function)
            else:
                problems.append(_problem(function, response.result))
        return loaded

    def _is_wanted(self, function: RpcFunction) -> bool:
        only = self._options.functions
        return only is None or function.metadata.name.lower() in {name.lower() for name in only}

    def _excluded(self, functions: Iterable[RpcFunction]) -> tuple[str, ...]:
        return tuple(one.metadata.name for one in functions if not self._is_wanted(one))

    async def _wait(self, kind: str, seconds: float, what: str, limit: float | None = None) -> Any:
        """The next message with the content `kind`. Others are dropped: the host has not requested them.

        `seconds` is what is left of the `limit`, if there is one.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found, message = await self._arrived.get()
                    if found == kind:
                        return message
                    _log.debug("The worker sent an unexpected message: %s", found)
        except TimeoutError:
            raise WorkerStartFailed(
                f"The worker process {what} within {seconds if limit is None else limit:.0f} s.",
                cause="It is running, but does not answer.",
                remedy=_LOOK_ABOVE,
            ) from None


def _check(result: Any, message: str) -> None:
    if result.status != _SUCCESS:
        raise WorkerStartFailed(message, cause=rpc_failures.described(result), remedy=_LOOK_ABOVE)


def _problem(function: RpcFunction, result: Any) -> FunctionProblem:
    return FunctionProblem(
        function=function.metadata.name,
        message=f"The worker could not load the function: {rpc_failures.described(result)}",
        stack=result.exception.stack_trace,
        bindings=function.metadata.bindings,
    )
