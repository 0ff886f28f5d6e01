"""How each kind of function is started by hand (`POST /admin/functions/{name}`)."""

import logging
from collections.abc import Mapping

from durable_host.bindings.accounts import Accounts
from durable_host.clock import Clock
from durable_host.config import binding_data
from durable_host.host.calls import activity_data
from durable_host.invocation.datum import Datum, HttpData, string
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.blob.trigger import BlobNotThere, invoke_blob, named_blob, target_of
from durable_host.triggers.event_grid.trigger import invoke_text
from durable_host.triggers.mcp.catalog import MCP_TRIGGERS
from durable_host.triggers.mcp.manual import invoke_by_hand
from durable_host.triggers.queue.metadata import offset_text
from durable_host.triggers.timer.trigger import invoke_timer, manual_info, schedule_of
from durable_host.triggers.timer.zone import zone_of
from durable_host.triggers.warmup import invoke_warmup
from durable_host.web.manual import Start

_log = logging.getLogger("Host.Triggers")


def manual_starts(invoker: Invoker, clock: Clock, accounts: Accounts, settings: Mapping[str, str]) -> dict[str, Start]:
    """By trigger type, lower case. Orchestrations and entities are started through their client instead."""

    async def activity(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await invoker.invoke(
            function,
            trigger_value=string(text),
            binding_data=activity_data(function, text, {}),
            reason=reason,
            invocation_id=invocation_id,
        )

    async def queue(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        moment = offset_text(clock.now())
        metadata = {
            "Id": "",
            "DequeueCount": 0,
            "PopReceipt": "",
            "InsertionTime": moment,
            "ExpirationTime": moment,
            "NextVisibleTime": moment,
            "QueueTrigger": text,
        }
        data = {**metadata, function.trigger.name: text, **binding_data.from_json_text(text)}
        return await invoker.invoke(
            function,
            trigger_value=string(text),
            trigger_metadata=metadata,
            binding_data=data,
            reason=reason,
            invocation_id=invocation_id,
        )

    async def http(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        data = HttpData("POST", f"http://localhost/admin/functions/{function.name}", body=text.encode())
        return await invoker.invoke(
            function,
            trigger_value=Datum("http", data),
            binding_data=binding_data.from_json_text(text),
            reason=reason,
            invocation_id=invocation_id,
        )

    async def timer(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        zone = zone_of(settings)
        info = manual_info(schedule_of(function.trigger, zone), zone, clock.now())
        return await invoke_timer(invoker, function, info, reason=reason, invocation_id=invocation_id)

    async def blob(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        target = target_of(function, accounts)
        try:
            container, found = await named_blob(target, text)
        except BlobNotThere as error:
            _log.error("The function '%s' was not run: %s %s", function.name, error, error.remedy or "")
            raise
        return await invoke_blob(invoker, target, container, found, reason=reason, invocation_id=invocation_id)

    async def warmup(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await invoke_warmup(invoker, function, reason=reason, invocation_id=invocation_id)

    async def mcp(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await invoke_by_hand(invoker, function, text, reason=reason, invocation_id=invocation_id)

    async def event(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await invoke_text(invoker, function, text, reason=reason, invocation_id=invocation_id)

    return {
        **dict.fromkeys(MCP_TRIGGERS, mcp),
        "httptrigger": http,
        "queuetrigger": queue,
        "activitytrigger": activity,
        "timertrigger": timer,
        "blobtrigger": blob,
        "warmuptrigger": warmup,
        "eventgridtrigger": event,
    }
