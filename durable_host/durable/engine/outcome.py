"""The outcome of an episode."""

from collections.abc import Sequence

import msgspec

from durable_host.durable.engine.diagnostic import Diagnostic
from durable_host.durable.model.events import HistoryEvent
from durable_host.durable.model.instance import InstanceUpdate
from durable_host.durable.model.messages import TaskMessage
from durable_host.durable.user_code import OrchestratorTurn
from durable_host.invocation.code_failure import CodeFailure


class EpisodeOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an episode changes.

    When `next_turn` is set, the orchestration continued as new: run that turn at once and call `finish_episode` again.
    The other fields are complete only in an outcome without it. `row_changed` is true when more than
    LastUpdatedTime changed in the instance row. `held_back` counts activities that wait for room in the window.
    `failure` is the exception of user code that ended the instance.
    """

    next_turn: OrchestratorTurn | None
    execution_id: str
    replaced_execution_id: str | None
    first_ordinal: int
    new_events: Sequence[HistoryEvent]
    outbound: Sequence[TaskMessage]
    update: InstanceUpdate
    row_changed: bool
    held_back: int
    is_terminal: bool
    diagnostics: Sequence[Diagnostic]
    failure: CodeFailure | None = None
