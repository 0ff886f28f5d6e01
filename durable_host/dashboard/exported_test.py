"""`GET /api/instances/{id}/export`: the history of an instance, and a pytest file that replays it."""

import hashlib
import json
import re

import msgspec

from durable_host.dashboard.api_call import DashboardCall, NoParameters
from durable_host.dashboard.api_errors import DashboardError
from durable_host.dashboard.endpoint import Endpoint
from durable_host.dashboard.instance_history import load_instance
from durable_host.durable.taskhub.azure.history_json import write_history

_LONGEST_NAME = 40
_TEST = '''"""Replays a saved history with the current code of the app.

Put this file and the folder `histories` below the folder of the app, and run pytest.
"""

from durable_host.testing import assert_replays

INSTANCE_ID = {instance_id}


def test_{name}_replays_like_its_history():
    assert_replays("histories/{name}.json")
'''


class ExportAnswer(msgspec.Struct, frozen=True):
    """The contents of files by their names, relative to one folder."""

    files: dict[str, str]


async def export(call: DashboardCall[NoParameters, None]) -> ExportAnswer:
    """Return a test of the instance."""
    one = await load_instance(call, with_trace=False)
    if not one.events or one.state.instance_id.startswith("@"):
        raise DashboardError(409, "The instance has no history of an orchestration, so nothing can be replayed.")
    name, instance_id = one.state.name, one.state.instance_id
    files = (history_file(name, instance_id, write_history(one.events)), test_file(name, instance_id))
    return ExportAnswer(dict(files))


def history_file(orchestrator: str, instance_id: str, history: list[dict[str, object]]) -> tuple[str, str]:
    """Return the name and the text of a file. `history` has the form of `func durable get-history --as-stored`."""
    name = _file_name(orchestrator, instance_id)
    return f"histories/{name}.json", json.dumps(history, indent=2) + "\n"


def test_file(orchestrator: str, instance_id: str) -> tuple[str, str]:
    """Return the name and the text of a pytest file that replays the history."""
    name = _file_name(orchestrator, instance_id)
    return f"test_{name}.py", _TEST.format(instance_id=_literal(instance_id), name=name)


def _literal(text: str) -> str:
    """Return Python code, in double quotes unless there is one in the text."""
    return repr(text) if '"' in text else '"' + repr("'" + text)[2:]


def _file_name(orchestrator: str, instance_id: str) -> str:
    """Return a name for files and Python functions, different for each instance."""
    digest = hashlib.sha256(instance_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    readable = re.sub(r"[^a-z0-9]+", "_", f"{orchestrator}_{instance_id}".lower()).strip("_")
    return f"{readable[:_LONGEST_NAME].strip('_') or 'instance'}_{digest}"


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/instances/{id}/export",
        summary="The history as a pytest file that replays it",
        answer=export,
        returns=ExportAnswer,
        errors=(404,),
    ),
)
