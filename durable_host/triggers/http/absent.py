"""HTTP functions of the app that are not served: they respond with the reason instead of an empty 404."""

import html
import json
import logging
from collections.abc import Iterable

import msgspec

from durable_host.invocation.metadata import Binding
from durable_host.redaction import redacted
from durable_host.triggers.http.reply import JSON, HttpFunctionReply
from durable_host.triggers.http.routes import RouteDeclaration, RouteTable
from durable_host.triggers.http.trigger import trigger_methods

_log = logging.getLogger("Host.Triggers.Http")


class AbsentHttpFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function that is not served. `status` is 501; as in Azure, 500 if it has a function.json but does not load."""

    name: str
    trigger: Binding
    reason: str
    status: int = 501


class AbsentRoutes:
    """The routes of these functions, used if no served function matches. `explain` puts the reason into the body."""

    def __init__(self, functions: Iterable[AbsentHttpFunction], prefix: str, *, explain: bool) -> None:
        self._explain = explain
        self._routes = RouteTable(
            (
                RouteDeclaration(one.name, one.trigger.text("route"), trigger_methods(one.trigger), one)
                for one in functions
            ),
            prefix,
        )

    def reply(self, method: str, raw_path: str, accept: str, *, explain: bool = True) -> HttpFunctionReply | None:
        """The response, or None if no function has this route. The reason is logged.

        Without `explain`, the caller does not get the reason.
        """
        match = self._routes.match(method, raw_path)
        if match is None:
            return None
        function = match.route.target
        what = "does not load" if function.status == 500 else "is not served"
        text = redacted(f"The function '{function.name}' {what}: {function.reason.rstrip('.')}.")
        _log.error("%s %s: %s", method, raw_path, text, extra={"function": function.name})
        if not (self._explain and explain):
            return HttpFunctionReply(function.status)
        if "text/html" in accept:
            return HttpFunctionReply(
                function.status, (("Content-Type", "text/html; charset=utf-8"),), _page(f"{function.name} {what}", text)
            )
        fields = {"error": text, "function": function.name}
        return HttpFunctionReply(
            function.status,
            (("Content-Type", JSON),),
            (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode(),
        )


def _page(title: str, text: str) -> bytes:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"</head>\n<body><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></body></html>\n"
    ).encode()
