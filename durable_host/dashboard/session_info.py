"""`GET /api/session`: what this dashboard shows, and what it may do."""

import msgspec

from durable_host import __version__
from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.endpoint import Endpoint


class SessionHub(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The task hub. `storage` is `azure` or `sqlite`; `account` is the account's name, or the path of the file."""

    name: str
    storage: str
    account: str
    is_development: bool


class SessionApp(msgspec.Struct, frozen=True, rename="camel"):
    """The app that runs in this process."""

    folder: str
    language: str


class SessionAnswer(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """`token` is the value of the header `X-DF-Token` of all requests except GET; null when actions are refused."""

    version: str
    hub: SessionHub | None
    is_read_only: bool
    token: str | None
    app: SessionApp | None
    can_fire_timers: bool


async def session(call: DashboardCall[NoParameters, None]) -> SessionAnswer:
    """Describe the hub, the app and the token."""
    sources = call.context.sources
    hub, app = sources.hub(), sources.app
    return SessionAnswer(
        version=__version__,
        hub=None
        if hub is None
        else SessionHub(
            name=hub.client.hub.name,
            storage=hub.storage,
            account=hub.account,
            is_development=hub.is_development,
        ),
        is_read_only=sources.is_read_only,
        token=None if sources.is_read_only else call.context.token,
        app=None if app is None else SessionApp(str(app.folder), app.language),
        can_fire_timers=hub is not None and hub.can_fire_timers and not sources.is_read_only,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/session",
        summary="The task hub, the app and the token for actions",
        answer=session,
        returns=SessionAnswer,
    ),
)
