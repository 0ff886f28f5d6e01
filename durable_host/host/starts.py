"""Starts functions by hand, by kind of trigger (`POST /admin/functions/{name}`)."""

import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from durable_host.bindings.accounts import Accounts
from durable_host.clock import Clock
from durable_host.config import binding_data
from durable_host.host.durable_calls import activity_data
from durable_host.host.triggers import host_account
from durable_host.invocation.datum import NONE, Datum, HttpData, string
from durable_host.invocation.http_exchange import CollectedExchange, RequestHead
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.triggers.blob.trigger import BlobNotThere, invoke_blob, named_blob, target_of
from durable_host.triggers.event_grid.trigger import invoke_text
from durable_host.triggers.http.trigger import function_url, methods_of
from durable_host.triggers.mcp.catalog import MCP_TRIGGERS
from durable_host.triggers.mcp.manual import invoke_by_hand
from durable_host.triggers.queue.message_metadata import message_data, offset_text
from durable_host.triggers.timer.trigger import invoke_timer, schedule_of, stored_info
from durable_host.triggers.timer.zone import zone_of
from durable_host.triggers.warmup import invoke_warmup
from durable_host.web.manual_invocation import Start

_log = logging.getLogger("Host.Triggers")

MOST_SHOWN = 1024 * 1024
"""Most bytes that are read of a streamed response, which may be endless."""


def manual_starts(
    invoker: Invoker,
    clock: Clock,
    accounts: Accounts,
    settings: Mapping[str, str],
    host_id: str,
    route_prefix: str = "",
) -> dict[str, Start]:
    """The starts by trigger type in lower case. Orchestrations and entities have none: clients start them."""

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
        return await invoker.invoke(
            function,
            trigger_value=string(text),
            trigger_metadata=metadata,
            binding_data=message_data(metadata, text, function.trigger.name),
            reason=reason,
            invocation_id=invocation_id,
        )

    async def http(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        if function.streams_http:
            return await streamed(function, text, reason=reason, invocation_id=invocation_id)
        data = HttpData("POST", f"http://localhost/admin/functions/{function.name}", body=text.encode())
        return await invoker.invoke(
            function,
            trigger_value=Datum("http", data),
            binding_data=binding_data.from_json_text(text),
            reason=reason,
            invocation_id=invocation_id,
        )

    async def streamed(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        headers = (("host", "localhost"), ("content-length", str(len(text.encode()))))
        values = binding_data.from_json_text(text)
        path, methods = _own_path(function, route_prefix, values), methods_of(function)
        method = "POST" if "POST" in methods or not methods else methods[0]
        head = RequestHead(method=method, path=path, headers=headers, has_body=bool(text))
        exchange = CollectedExchange(head, text.encode(), MOST_SHOWN)
        outcome = await invoker.invoke(
            function,
            trigger_value=NONE,
            binding_data=values,
            reason=reason,
            invocation_id=invocation_id,
            exchange=exchange,
        )
        return msgspec.structs.replace(outcome, return_value=Datum("http", exchange.reply))

    async def timer(function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        zone = zone_of(settings)
        account = host_account(accounts)
        service = account.blobs if account is not None else None
        info = await stored_info(function, schedule_of(function.trigger, zone), zone, service, host_id)
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


def _own_path(function: FunctionMetadata, prefix: str, values: Mapping[str, Any]) -> str:
    """The path of an HTTP function, with route parameters from `values`; optional ones may be missing."""

    def value_of(parameter: re.Match[str]) -> str:
        value = values.get(parameter[2])
        if isinstance(value, str | int | float):
            return parameter[1] + quote(str(value))
        return "" if "?" in parameter[3] or "=" in parameter[3] else quote(parameter[0])

    return re.sub(r"(/?)\{\**(\w+)([^{}]*)\}", value_of, function_url(function.name, function.trigger, "", prefix))
