"""The durable functions of an app for the runtime, by what their SDK speaks."""

from collections.abc import Mapping

from durable_host.config.durable import DurableOptions
from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.durable.user_code import UserCode
from durable_host.host.durable_calls import DurableCalls, durable_names, unserved_names
from durable_host.host.functions import AbsentFunction
from durable_host.invocation.datum import json_text
from durable_host.invocation.metadata import FunctionMetadata
from durable_host.invocation.worker_kind import DurableDialect


def user_code_for(
    dialect: DurableDialect,
    calls: DurableCalls,
    functions: tuple[FunctionMetadata, ...],
    absent: tuple[AbsentFunction, ...],
    sdk_versions: Mapping[str, str],
    options: DurableOptions,
) -> UserCode:
    """Return the code of the app. `sdk_versions` are those of its packages."""
    names, unserved = durable_names(functions), unserved_names(absent)
    async_request_sleep_ms = round(options.default_async_request_sleep_time * 1000)
    match dialect:
        case "v1":
            return V1UserCode(
                calls,
                orchestrators=names.orchestrators,
                activities=names.activities,
                entities=names.entities,
                unserved=unserved,
                async_request_sleep_ms=async_request_sleep_ms,
            )
        case "v2":
            from durable_host.durable.sdk.v2 import V2UserCode  # It needs protobuf, which apps of 1.x do without.

            return V2UserCode(
                calls,
                orchestrators=names.orchestrators,
                activities=names.activities,
                entities=names.entities,
                unserved=unserved,
            )
        case "dotnet":
            from durable_host.durable.sdk.dotnet import DotnetUserCode
            from durable_host.durable.sdk.dotnet_turns import DotnetSettings
            from durable_host.durable.sdk.node_activities import result_json

            calls.result_json = lambda _, value: result_json(value)
            calls.activity_input = json_text
            return DotnetUserCode(
                calls,
                orchestrators=names.orchestrators,
                activities=names.activities,
                entities=names.entities,
                unserved=unserved,
                settings=DotnetSettings(
                    async_request_sleep_ms=async_request_sleep_ms,
                    session_seconds=round(options.extended_session_idle_timeout)
                    if options.extended_sessions_enabled
                    else 0,
                    default_version=options.default_version,
                    reorder_seconds=round(options.entity_message_reorder_window),
                    rolls_back_entities=options.rollback_entity_operations_on_exceptions,
                ),
            )
        case "node":
            from durable_host.durable.sdk.node import NodeUserCode, node_dialect
            from durable_host.durable.sdk.node_activities import result_json

            calls.result_json = lambda _, value: result_json(value)
            return NodeUserCode(
                calls,
                orchestrators=names.orchestrators,
                activities=names.activities,
                entities=names.entities,
                unserved=unserved,
                async_request_sleep_ms=async_request_sleep_ms,
                dialect=node_dialect(sdk_versions.get("durable-functions")),
            )
