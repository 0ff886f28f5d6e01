"""The binding types that Azure has, whether this host serves them or not.

Source: docs/protocol/functions-host-app.md#binding-checks
"""

from collections.abc import Iterable
from pathlib import Path

from durable_host.config.suggestion import closest

_TYPES = (
    *("httpTrigger", "http", "timerTrigger", "warmupTrigger", "manualTrigger"),
    *("queueTrigger", "queue", "blobTrigger", "blob", "table"),
    *("orchestrationTrigger", "activityTrigger", "entityTrigger", "durableClient", "orchestrationClient"),
    *("eventGridTrigger", "eventGrid", "eventHubTrigger", "eventHub", "serviceBusTrigger", "serviceBus"),
    *("cosmosDBTrigger", "cosmosDB", "documentDB", "sqlTrigger", "sql", "mysqlTrigger", "mysql", "kusto"),
    *(
        "kafkaTrigger",
        "kafka",
        "rabbitMQTrigger",
        "rabbitMQ",
        "sendGrid",
        "twilioSms",
        "notificationHub",
        "mobileTable",
    ),
    *("redisPubSubTrigger", "redisListTrigger", "redisStreamTrigger", "redis"),
    *("signalRTrigger", "signalR", "signalRConnectionInfo", "signalRNegotiation", "signalREndpoints"),
    *("webPubSubTrigger", "webPubSub", "webPubSubConnection", "webPubSubContext"),
    *("socketIOTrigger", "socketIO", "socketIONegotiation"),
    *("daprServiceInvocationTrigger", "daprBindingTrigger", "daprTopicTrigger", "daprState", "daprSecret"),
    *("daprPublish", "daprInvoke", "daprBinding"),
    *("assistantSkillTrigger", "assistantCreate", "assistantPost", "assistantQuery", "textCompletion"),
    *("embeddings", "embeddingsStore", "semanticSearch"),
    *("mcpToolTrigger", "mcpResourceTrigger", "mcpPromptTrigger", "mcpToolProperty", "mcpPromptArgument"),
    *("connectorTrigger",),
)
_KNOWN = frozenset(name.lower() for name in _TYPES)


def has_own_extensions(root: Path) -> bool:
    """Whether the app has its own extensions, which may have types of any name."""
    return (root / "extensions.csproj").is_file() or (root / "bin" / "extensions.json").is_file()


def unregistered(types: Iterable[str], *, has_bundle: bool) -> str | None:
    """Azure's error for types that no extension has; None if all are known. `has_bundle`: host.json names a bundle."""
    unknown = list(dict.fromkeys(name for name in types if name.lower() not in _KNOWN))
    if not unknown:
        return None
    names = ", ".join(unknown)
    close = closest(unknown[0], _TYPES)
    remedy = f" Did you mean '{close}'?" if close else ""
    if has_bundle:
        return (
            f"The binding type(s) '{names}' were not found in the configured extension bundle. Please ensure the type "
            f"is correct and the correct version of extension bundle is configured.{remedy}"
        )
    return (
        f"The binding type(s) '{names}' are not registered. Please ensure the type is correct and the binding "
        f"extension is installed.{remedy}"
    )
