"""The durable functions of an app for the runtime: selects the code for the SDK that the app uses."""

from collections.abc import Mapping
from typing import TypedDict

from durable_host.config.durable import DurableOptions
from durable_host.durable.sdk.app_code import UnservedNames
from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.durable.user_code import UserCode
from durable_host.host.durable_calls import DurableCalls, durable_names, unserved_names
from durable_host.host.functions import AbsentFunction
from durable_host.invocation.datum import json_text
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.worker_kind import DurableDialect


class _Functions(TypedDict):
    """The arguments that the code of every SDK takes."""

    orchestrators: dict[str, str]
    activities: dict[str, str]
    entities: dict[str, str]
    unserved: UnservedNames


def user_code_for(
    dialect: DurableDialect,
    calls: DurableCalls,
    functions: tuple[FunctionMetadata, ...],
    absent: tuple[AbsentFunction, ...],
    sdk_versions: Mapping[str, str],
    options: DurableOptions,
) -> UserCode:
    """Return the code of the app. `sdk_versions` are those of its packages."""
    names = durable_names(functions)
    found = _Functions(
        orchestrators=names.orchestrators,
        activities=names.activities,
        entities=names.entities,
        unserved=unserved_names(absent),
    )
    sleep_ms = round(options.default_async_request_sleep_time * 1000)
    match dialect:
        case "v1":
            return V1UserCode(calls, **found, async_request_sleep_ms=sleep_ms)
        case "v2":
            from durable_host.durable.sdk.v2 import V2UserCode  # It needs protobuf, which apps of 1.x do without.

            return V2UserCode(calls, **found)
        case "dotnet":
            return _dotnet_code(calls, found, options, sleep_ms)
        case "node":
            from durable_host.durable.sdk.node import NodeUserCode, node_dialect
            from durable_host.durable.sdk.node_activities import result_json

            calls.result_json = lambda _, value: result_json(value)
            installed = node_dialect(sdk_versions.get("durable-functions"))
            return NodeUserCode(calls, **found, async_request_sleep_ms=sleep_ms, dialect=installed)


def _dotnet_code(calls: DurableCalls, found: _Functions, options: DurableOptions, sleep_ms: int) -> UserCode:
    from durable_host.durable.sdk.dotnet import DotnetUserCode
    from durable_host.durable.sdk.dotnet_turns import DotnetSettings
    from durable_host.durable.sdk.node_activities import result_json

    calls.result_json = lambda _, value: result_json(value)
    calls.activity_input = json_text
    settings = DotnetSettings(
        async_request_sleep_ms=sleep_ms,
        session_seconds=round(options.extended_session_idle_timeout) if options.extended_sessions_enabled else 0,
        default_version=options.default_version,
        reorder_seconds=round(options.entity_message_reorder_window),
        rolls_back_entities=options.rollback_entity_operations_on_exceptions,
    )
    return DotnetUserCode(calls, **found, settings=settings)
