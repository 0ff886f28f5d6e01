"""azurefunctions-extensions-http-fastapi: finds the functions that use it, and creates its web app.

Azure's worker gets the types of requests and responses that the imported extension has registered from
`azurefunctions.extensions.base`, and creates the extension's web app with one route for all paths. So does this module.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

INDEXING_SETTING = "PYTHON_ENABLE_INIT_INDEXING"
_TRUE = ("1", "true", "t", "yes", "y")
PACKAGE = "azurefunctions.extensions.http.fastapi"


def extension() -> Any | None:
    """The base package, if the app has imported a web extension."""
    base = sys.modules.get("azurefunctions.extensions.base")
    checker = getattr(base, "HttpV2FeatureChecker", None)
    return base if checker is not None and checker.http_v2_enabled() else None


def takes_stream(hints: dict[str, Any], parameter: str, response_type: Any) -> bool:
    """Whether the HTTP trigger's parameter receives the extension's request.

    True for its request type, and without a type unless the function returns the SDK's `response_type`.
    """
    base = extension()
    if base is None:
        return False
    if parameter in hints:
        return bool(base.RequestTrackerMeta.check_type(hints[parameter]))
    returned = hints.get("return")
    return not (inspect.isclass(returned) and issubclass(returned, response_type))


def accepts_response(python_type: Any) -> bool:
    """Whether the web app can send values of this type."""
    base = extension()
    return base is not None and bool(base.ResponseTrackerMeta.check_type(python_type))


def warnings(streams: Mapping[str, bool]) -> Iterator[str]:
    """Warnings about functions that run here but would not run in Azure.

    `streams`: the HTTP functions, and whether they take the extension's request.
    """
    if extension() is None:
        return
    others = [name for name, is_streaming in streams.items() if not is_streaming]
    if others:
        yield (
            f"Azure would not run any function of this app: it imports {PACKAGE}, so all HTTP functions must take the "
            f"Request of that package, but {', '.join(others)} take azure.functions.HttpRequest. Here both kinds run."
        )
    is_streaming = len(others) < len(streams)
    if is_streaming and sys.version_info < (3, 13) and os.environ.get(INDEXING_SETTING, "").lower() not in _TRUE:
        yield (
            f"On Python 3.12 and earlier Azure serves functions of {PACKAGE} only with the setting "
            f"{INDEXING_SETTING}=1. This host does not need it."
        )


def set_route_values(request: Any, values: dict[str, str]) -> None:
    """Put the values of the function's route into the extension's request."""
    base: Any = extension()
    base.RequestTrackerMeta.get_synchronizer().sync_route_params(request, values)


def web_app(run: Callable[[Any], Awaitable[Any]]) -> Any:
    """The extension's ASGI app. `run` takes the request and returns the function's result.

    If the app does not handle an exception, it is raised and no response is sent.
    """
    base: Any = extension()
    made = importlib.import_module(base.ModuleTrackerMeta.get_module()).WebApp()

    async def endpoint(request: Any) -> Any:
        return await run(request)

    endpoint.__annotations__ = {"request": base.RequestTrackerMeta.get_request_type()}
    made.route(endpoint)
    app = made.get_app()
    # A function may have the path of one of the framework's pages, such as /docs.
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "endpoint", None) is endpoint]
    app.add_exception_handler(Exception, _no_answer)
    return app


async def _no_answer(request: Any, error: Exception) -> Any:
    async def send_nothing(scope: Any, receive: Any, send: Any) -> None:
        pass

    return send_nothing
