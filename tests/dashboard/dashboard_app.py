"""An app for the dashboard, without a worker: its functions, what runs them by hand, and what was run."""

from pathlib import Path
from typing import Any, cast

from durable_host.config import Overrides, load
from durable_host.dashboard.sources import AppSource
from durable_host.errors import HostError
from durable_host.invocation.bindings import BindingRegistry
from durable_host.invocation.datum import Datum
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.web.function_json import DescribedFunction
from durable_host.web.manual_invocation import ManualInvocation

HOST_JSON = '{"version": "2.0"}'


def function(name: str, type_: str, **properties: Any) -> FunctionMetadata:
    trigger = Binding("trigger", type_, "in", properties)
    return FunctionMetadata(name=name, bindings=(trigger,), source_file="function_app.py", source_line=7)


FUNCTIONS = (
    function("OnQueue", "queueTrigger", queueName="approval-queue", connection="AzureWebJobsStorage"),
    function("Nightly", "timerTrigger", schedule="0 0 3 * * *"),
    function("Items", "httpTrigger", route="items/{id:int}", methods=["get", "post"], authLevel="ANONYMOUS"),
    function("Approval", "orchestrationTrigger"),
    function("Pay", "activityTrigger"),
)


class DashboardApp:
    """`runs` are the functions that were run by hand with their inputs; `notified` the queues of puts."""

    def __init__(self, folder: Path, functions: tuple[FunctionMetadata, ...] = FUNCTIONS) -> None:
        (folder / "host.json").write_text(HOST_JSON, "utf-8")
        config = load(folder, environ={"FUNCTIONS_WORKER_RUNTIME": "python"}, overrides=Overrides())
        self.runs: list[tuple[str, str]] = []
        self.notified: list[str] = []
        self.invoker = Invoker(cast("Any", None), BindingRegistry())
        manual = ManualInvocation()
        manual.adopt({"queuetrigger": self._start, "timertrigger": self._start, "httptrigger": self._start})
        self.source = AppSource(
            folder=folder,
            language="python",
            config=lambda: config,
            functions=lambda base_url: [_described(one, folder, base_url) for one in functions],
            invoker=self.invoker,
            manual=manual,
            notify=lambda account, queue: self.notified.append(queue),
        )

    async def _start(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        self.runs.append((function.name, text))
        if text == "fail":
            raise HostError("It failed with AccountKey=secret;", remedy="Do not.")
        return Outcome(invocation_id=invocation_id, return_value=Datum("json", '{"ü": 1}'), outputs={})


def _described(one: FunctionMetadata, folder: Path, base_url: str) -> DescribedFunction:
    is_http = one.trigger.type == "httpTrigger"
    url = f"{base_url}/api/{one.trigger.text('route')}" if is_http else None
    return DescribedFunction(name=one.name, metadata=one, root=folder, url=url)
