"""What a worker can do, from its answer to the first request.

Source: docs/protocol/function-rpc.md#capabilities
"""

from collections.abc import Mapping

import msgspec


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """`http_uri` is the address of the worker's own HTTP server; such a worker gets HTTP requests there.

    `wants_nullable_values`: headers, route values and the query are sent as nullable values. `wants_body_once`: the
    body is not sent a second time. `needs_route_values`: the route values are sent even with `http_uri`.
    """

    wants_nullable_values: bool = False
    wants_body_once: bool = False
    answers_status: bool = False
    can_cancel: bool = False
    can_terminate: bool = False
    needs_route_values: bool = False
    http_uri: str | None = None


def read_capabilities(announced: Mapping[str, str]) -> Capabilities:
    """The capabilities from the names and values that the worker sent. An empty value means no."""

    def has(name: str) -> bool:
        return announced.get(name, "").strip().lower() not in ("", "false")

    return Capabilities(
        wants_nullable_values=has("UseNullableValueDictionaryForHttp"),
        wants_body_once=has("RpcHttpBodyOnly"),
        answers_status=has("WorkerStatus"),
        can_cancel=has("HandlesInvocationCancelMessage"),
        can_terminate=has("HandlesWorkerTerminateMessage"),
        needs_route_values=has("RequiresRouteParameters"),
        http_uri=announced.get("HttpUri") or None,
    )
