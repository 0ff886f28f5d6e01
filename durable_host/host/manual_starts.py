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
"""The bytes to read of a streamed response, which may be endless."""


def manual_starts(
    invoker: Invoker,
    clock: Clock,
    accounts: Accounts,
    settings: Mapping[str, str],
    host_id: str,
    route_prefix: str = "",
) -> dict[str, Start]:
    """The starts by trigger type in lower case. Orchestrations and entities have none: clients start them."""
    starts = _Starts(invoker, clock, accounts, settings, host_id, route_prefix)
    return {
        **dict.fromkeys(MCP_TRIGGERS, starts.mcp),
        "httptrigger": starts.http,
        "queuetrigger": starts.queue,
        "activitytrigger": starts.activity,
        "timertrigger": starts.timer,
        "blobtrigger": starts.blob,
        "warmuptrigger": starts.warmup,
        "eventgridtrigger": starts.event,
    }


class _Starts:
    """One method per kind of trigger; see `Start`."""

    def __init__(
        self,
        invoker: Invoker,
        clock: Clock,
        accounts: Accounts,
        settings: Mapping[str, str],
        host_id: str,
        route_prefix: str,
    ) -> None:
        self._invoker = invoker
        self._clock = clock
        self._accounts = accounts
        self._settings = settings
        self._host_id = host_id
        self._route_prefix = route_prefix

    async def activity(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await self._invoker.invoke(
            function,
            trigger_value=string(text),
            binding_data=activity_data(function, text, {}),
            reason=reason,
            invocation_id=invocation_id,
        )

    async def queue(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        moment = offset_text(self._clock.now())
        metadata = {
            "Id": "",
            "DequeueCount": 0,
            "PopReceipt": "",
            "InsertionTime": moment,
            "ExpirationTime": moment,
            "NextVisibleTime": moment,
            "QueueTrigger": text,
        }
        return await self._invoker.invoke(
            function,
            trigger_value=string(text),
            trigger_metadata=metadata,
            binding_data=message_data(metadata, text, function.trigger.name),
            reason=reason,
            invocation_id=invocation_id,
        )

    async def http(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        if function.streams_http:
            return await self._streamed(function, text, reason=reason, invocation_id=invocation_id)
        data = HttpData("POST", f"http://localhost/admin/functions/{function.name}", body=text.encode())
        return await self._invoker.invoke(
            function,
            trigger_value=Datum("http", data),
            binding_data=binding_data.from_json_text(text),
            reason=reason,
            invocation_id=invocation_id,
        )

    async def _streamed(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        headers = (("host", "localhost"), ("content-length", str(len(text.encode()))))
        values = binding_data.from_json_text(text)
        path, methods = _own_path(function, self._route_prefix, values), methods_of(function)
        method = "POST" if "POST" in methods or not methods else methods[0]
        head = RequestHead(method=method, path=path, headers=headers, has_body=bool(text))
        exchange = CollectedExchange(head, text.encode(), MOST_SHOWN)
        outcome = await self._invoker.invoke(
            function,
            trigger_value=NONE,
            binding_data=values,
            reason=reason,
            invocation_id=invocation_id,
            exchange=exchange,
        )
        return msgspec.structs.replace(outcome, return_value=Datum("http", exchange.reply))

    async def timer(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        zone = zone_of(self._settings)
        account = host_account(self._accounts)
        service = account.blobs if account is not None else None
        info = await stored_info(function, schedule_of(function.trigger, zone), zone, service, self._host_id)
        return await invoke_timer(self._invoker, function, info, reason=reason, invocation_id=invocation_id)

    async def blob(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        target = target_of(function, self._accounts)
        try:
            container, found = await named_blob(target, text)
        except BlobNotThere as error:
            _log.error("The function '%s' was not run: %s %s", function.name, error, error.remedy or "")
            raise
        return await invoke_blob(self._invoker, target, container, found, reason=reason, invocation_id=invocation_id)

    async def warmup(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await invoke_warmup(self._invoker, function, reason=reason, invocation_id=invocation_id)

    async def mcp(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await invoke_by_hand(self._invoker, function, text, reason=reason, invocation_id=invocation_id)

    async def event(self, function: FunctionMetadata, text: str, *, reason: str, invocation_id: str) -> Outcome:
        return await invoke_text(self._invoker, function, text, reason=reason, invocation_id=invocation_id)


def _own_path(function: FunctionMetadata, prefix: str, values: Mapping[str, Any]) -> str:
    """The path of an HTTP function, with route parameters from `values`; optional ones may be missing."""

    def value_of(parameter: re.Match[str]) -> str:
        value = values.get(parameter[2])
        if isinstance(value, str | int | float):
            return parameter[1] + quote(str(value))
        return "" if "?" in parameter[3] or "=" in parameter[3] else quote(parameter[0])

    return re.sub(r"(/?)\{\**(\w+)([^{}]*)\}", value_of, function_url(function.name, function.trigger, "", prefix))
