"""The templates of `func new`: their names, the values they need, and the programming models they work in.

Source: docs/protocol/functions-host-cli.md#new-functions
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from durable_host.cli.scaffold.languages import Language
from durable_host.config import suggestion
from durable_host.errors import UsageError

Model = Literal["V1", "V2", "V4", "isolated"]
"""V1 and V2 are for Python, V4 is for Node.js, isolated for .NET."""

AUTH_LEVELS: Final = ("function", "anonymous", "admin")


class Ask(msgspec.Struct, frozen=True):
    """A value that a template needs. `default` may contain `$name` for the function's name.

    `node_default` is the default in a Node.js app, if it differs.
    """

    key: str
    question: str
    default: str
    node_default: str | None = None

    def default_in(self, model: Model) -> str:
        return self.node_default if model == "V4" and self.node_default is not None else self.default


class FunctionTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template. `name` is its name in the V2 model, `v1_name` in the V1 model; None if it does not exist there.

    `key` is the name of its files. Node.js apps have every template, .NET apps those with `in_dotnet`. Both use the
    name of the V1 model if there is one.
    """

    key: str
    name: str
    v1_name: str | None = None
    default_name: str
    asks: tuple[Ask, ...] = ()
    is_durable: bool = False
    is_served: bool = True
    in_dotnet: bool = False
    aliases: tuple[str, ...] = ()

    def name_in(self, model: Model) -> str | None:
        if model == "isolated":
            return (self.v1_name or self.name) if self.in_dotnet else None
        if model == "V4":
            return self.v1_name or self.name
        return self.name if model == "V2" else self.v1_name


_AUTH: Final = Ask("auth_level", "Auth level (function, anonymous, admin)", "function", "anonymous")
_ROUTE: Final = Ask("route", "Route", "$name")
_SCHEDULE: Final = Ask("schedule", "Schedule (second minute hour day month weekday)", "0 */5 * * * *")
_CONTAINER: Final = Ask("path", "Path of the blobs", "samples-workitems/{name}")


def _connection(default: str) -> Ask:
    return Ask("connection", "App setting with the connection", default)


_FOREIGN: Final = {
    "eventhub_trigger": (
        "EventHub trigger",
        "Azure Event Hub trigger",
        "EventHubTrigger",
        (Ask("event_hub_name", "Name of the event hub", "samples-workitems"), _connection("EventHubConnection")),
    ),
    "servicebus_queue_trigger": (
        "ServiceBus Queue trigger",
        "Azure Service Bus Queue trigger",
        "ServiceBusQueueTrigger",
        (Ask("queue_name", "Name of the queue", "myqueue"), _connection("ServiceBusConnection")),
    ),
    "servicebus_topic_trigger": (
        "ServiceBus Topic trigger",
        "Azure Service Bus Topic trigger",
        "ServiceBusTopicTrigger",
        (
            Ask("topic_name", "Name of the topic", "mytopic"),
            Ask("subscription_name", "Name of the subscription", "mysubscription"),
            _connection("ServiceBusConnection"),
        ),
    ),
    "cosmosdb_trigger": (
        "CosmosDB trigger",
        "Azure Cosmos DB trigger",
        "CosmosDBTrigger",
        (
            Ask("database_name", "Name of the database", "mydatabase"),
            Ask("container_name", "Name of the container", "mycontainer"),
            _connection("CosmosDBConnection"),
        ),
    ),
}

TEMPLATES: Final = (
    FunctionTemplate(
        key="http_trigger",
        in_dotnet=True,
        name="HTTP trigger",
        v1_name="HTTP trigger",
        default_name="HttpTrigger",
        asks=(_AUTH, _ROUTE),
    ),
    FunctionTemplate(
        key="timer_trigger",
        in_dotnet=True,
        name="Timer Trigger",
        v1_name="Timer trigger",
        default_name="TimerTrigger",
        asks=(_SCHEDULE,),
    ),
    FunctionTemplate(
        key="blob_trigger",
        in_dotnet=True,
        name="Blob trigger",
        v1_name="Azure Blob Storage trigger",
        default_name="BlobTrigger",
        asks=(_CONTAINER, _connection("AzureWebJobsStorage")),
    ),
    FunctionTemplate(
        key="queue_trigger",
        in_dotnet=True,
        name="Queue trigger",
        v1_name="Azure Queue Storage trigger",
        default_name="QueueTrigger",
        asks=(Ask("queue_name", "Name of the queue", "myqueue-items"), _connection("AzureWebJobsStorage")),
    ),
    FunctionTemplate(
        key="mcp_tool_trigger",
        name="MCP Tool trigger",
        v1_name="MCP Tool trigger",
        default_name="McpToolTrigger",
        asks=(Ask("description", "What the tool does, for the model", "Says hello."),),
        aliases=("mcp", "mcp tool"),
    ),
    FunctionTemplate(
        key="eventgrid_trigger",
        name="EventGrid trigger",
        v1_name="Azure Event Grid trigger",
        default_name="EventGridTrigger",
    ),
    *(
        FunctionTemplate(key=key, name=name, v1_name=v1_name, default_name=default, asks=asks, is_served=False)
        for key, (name, v1_name, default, asks) in _FOREIGN.items()
    ),
    FunctionTemplate(
        key="durable_orchestrator",
        in_dotnet=True,
        name="Durable Functions orchestrator",
        v1_name="Durable Functions orchestrator",
        default_name="Orchestrator",
        is_durable=True,
        aliases=("orchestrator",),
    ),
    FunctionTemplate(
        key="durable_activity",
        in_dotnet=True,
        name="Durable Functions activity",
        v1_name="Durable Functions activity",
        default_name="Activity",
        is_durable=True,
        aliases=("activity",),
    ),
    FunctionTemplate(
        key="durable_entity",
        in_dotnet=True,
        name="Durable Functions entity",
        v1_name="Durable Functions entity",
        default_name="Counter",
        is_durable=True,
        aliases=("entity",),
    ),
    FunctionTemplate(
        key="durable_http_starter",
        in_dotnet=True,
        name="Durable Functions HTTP starter",
        v1_name="Durable Functions HTTP starter",
        default_name="HttpStart",
        asks=(_AUTH, Ask("route", "Route", "orchestrators/{functionName}")),
        is_durable=True,
        aliases=("Durable Functions client starter", "starter"),
    ),
    FunctionTemplate(
        key="durable_chaining",
        in_dotnet=True,
        name="Durable Functions function chaining",
        default_name="Chain",
        asks=(_AUTH, _ROUTE),
        is_durable=True,
        aliases=("chaining",),
    ),
    FunctionTemplate(
        key="durable_fan_out",
        in_dotnet=True,
        name="Durable Functions fan-out/fan-in",
        default_name="FanOut",
        asks=(_AUTH, _ROUTE),
        is_durable=True,
        aliases=("fan-out", "fan-out/fan-in"),
    ),
    FunctionTemplate(
        key="durable_human_interaction",
        in_dotnet=True,
        name="Durable Functions human interaction",
        default_name="Approval",
        asks=(_AUTH, _ROUTE, Ask("queue_name", "Queue of the decisions", "approval-queue")),
        is_durable=True,
        aliases=("Durable Functions approval", "approval", "human interaction"),
    ),
    FunctionTemplate(
        key="durable_monitor",
        in_dotnet=True,
        name="Durable Functions monitor",
        default_name="Monitor",
        asks=(_AUTH, _ROUTE),
        is_durable=True,
        aliases=("monitor",),
    ),
    FunctionTemplate(
        key="durable_aggregator",
        in_dotnet=True,
        name="Durable Functions aggregator",
        default_name="Total",
        asks=(_AUTH, Ask("route", "Route", "$name/{key}")),
        is_durable=True,
        aliases=("aggregator",),
    ),
)


def of_model(model: Model) -> Sequence[FunctionTemplate]:
    """The templates that can be used in an app of this programming model."""
    return [template for template in TEMPLATES if template.name_in(model) is not None]


def find(name: str, model: Model, language: Language = "python") -> FunctionTemplate:
    """The template with this name in either model, ignoring case. Raises UsageError."""
    wanted = name.strip().casefold()
    known = of_model(model)
    for template in known:
        names = (template.name, template.v1_name or "", *template.aliases)
        if wanted in {candidate.casefold() for candidate in names if candidate}:
            return template
    names = [text for template in known if (text := template.name_in(model))]
    meant = suggestion.closest(name, [*names, *(alias for template in known for alias in template.aliases)])
    hint = f"Did you mean '{meant}'? " if meant else ""
    is_elsewhere = model != "isolated" and any(wanted == t.name.casefold() for t in TEMPLATES)
    elsewhere = " (only the V2 model has it)" if is_elsewhere else ""
    raise UsageError(
        f'Can\'t find template "{name}" in "{language}"{elsewhere}.',
        remedy=f"{hint}'func templates list' shows them all.",
    )
