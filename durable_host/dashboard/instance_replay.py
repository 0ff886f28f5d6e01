"""`POST /api/instances/{id}/replay`: runs the history with today's code, and reports the first difference."""

import asyncio

import msgspec

from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import NOT_HERE, DashboardError
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.instance_history import load_instance
from durable_host.durable.engine.history_replay import ReplayFailed
from durable_host.durable.engine.numbered_replay import replay_history
from durable_host.durable.runtime.runtime import engine_options
from durable_host.durable.user_code import WorkItemAborted, reading_code
from durable_host.redaction import redacted

PATIENCE = 60.0


class ReplayDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The first difference. `ordinal` is the position of the event `expected` in the history, if it is known.

    `actual` is what the code does instead, `position` where it stands (`file:line in function`), and `text` all of it
    in one text.
    """

    ordinal: int | None
    expected: str | None
    actual: str | None
    position: str | None
    text: str


class ReplayAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """Whether the code still does what the history says, and the number of replayed events."""

    is_same: bool
    events: int
    difference: ReplayDifference | None


async def replay(call: DashboardCall[NoParameters, None]) -> ReplayAnswer:
    """Replay an instance. Nothing is changed or logged."""
    hub = call.hub
    code = None if hub.code is None else reading_code(hub.code)
    one = await load_instance(call, with_trace=False)
    if code is None:
        raise DashboardError(
            409,
            "No app in this process can replay the history.",
            code=NOT_HERE,
            remedy="Open the dashboard of 'func start' in the folder of a Python or Node.js app.",
        )
    try:
        async with asyncio.timeout(PATIENCE):
            await replay_history(one.events, code, engine_options(hub.options))
    except ReplayFailed as failed:
        return ReplayAnswer(is_same=False, events=len(one.events), difference=_difference(failed))
    except ValueError as error:
        raise DashboardError(409, f"The history cannot be replayed. {error}") from error
    except TimeoutError:
        raise DashboardError(503, f"The replay takes longer than {PATIENCE:.0f} seconds.") from None
    except WorkItemAborted as aborted:
        raise DashboardError(503, f"The worker process was lost during the replay: {aborted}") from aborted
    return ReplayAnswer(is_same=True, events=len(one.events), difference=None)


def _difference(failed: ReplayFailed) -> ReplayDifference:
    return ReplayDifference(
        ordinal=failed.ordinal,
        expected=failed.expected,
        actual=failed.actual,
        position=failed.position,
        text=redacted(str(failed)),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/instances/{id}/replay",
        summary="Replay the history with today's code",
        answer=replay,
        returns=ReplayAnswer,
        errors=(404,),
        changes_nothing=True,
    ),
)
