"""Implements `UserCode` for the durable functions of `durable-functions` 3.x for Node.js, through calls to the worker.

The protocol is that of the 1.x SDK for Python, with a few differences.
"""

import re

from durable_host.durable.sdk.node_actions import node_rules
from durable_host.durable.sdk.node_activities import failed_activity
from durable_host.durable.sdk.node_entities import decode_node_entity_answer
from durable_host.durable.sdk.v1 import V1UserCode
from durable_host.durable.sdk.v1_actions import ActionRules
from durable_host.durable.user_code import ActivityOutcome, CodeDialect, EntityAnswer
from durable_host.invocation.errors import FunctionFailed

_KEEPS_EARLY_EVENTS = (3, 5)


class NodeUserCode(V1UserCode):
    """`UserCode` for Node.js apps. Its dialect is `node_dialect` of the app's package."""

    def _action_rules(self) -> ActionRules:
        return node_rules(async_request_sleep_ms=self._sleep_ms)

    def _error_text(self, failed: FunctionFailed) -> str:
        return failed.message

    def _failed_activity(self, failed: FunctionFailed) -> ActivityOutcome:
        return failed_activity(failed)

    def _entity_answer(self, text: str, operation_count: int) -> EntityAnswer:
        return decode_node_entity_answer(text, operation_count)


def node_dialect(package_version: str | None) -> CodeDialect:
    """Return the dialect of a version of `durable-functions`, None when it is not known.

    Versions before 3.5 keep only the last of several early events with the same name.
    """
    found = re.match(r"(\d+)\.(\d+)", package_version or "")
    return CodeDialect(
        sdk=f"durable-functions {package_version}" if found else "durable-functions",
        task_all="Task.all",
        task_any="Task.any",
        task_any_call="context.df.Task.any",
        cancels_long_timers=True,
        keeps_early_events=found is None or (int(found[1]), int(found[2])) >= _KEEPS_EARLY_EVENTS,
    )
