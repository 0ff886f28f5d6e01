"""Reads what the histories of instances show, with the views of the dashboard."""

from durable_host.dashboard.code_reader import CodeReader
from durable_host.dashboard.sources import HubSource
from durable_host.dashboard.views.ledger import ledger_of
from durable_host.dashboard.views.steps import steps_of
from durable_host.dashboard.views.waits import waits_of
from durable_host.durable.api.errors import InstanceNotFound
from durable_host.testing.app_backend import InstanceView
from durable_host.testing.json_values import encodes_inputs_twice

_WHOLE = 1 << 40


class ViewReader:
    """Owns what the app's code did in the latest replays."""

    def __init__(self) -> None:
        self._reader = CodeReader()

    async def read(self, hub: HubSource, instance_id: str) -> InstanceView:
        """Raises InstanceNotFound."""
        state = await hub.client.get(instance_id, fetch_input=False, fetch_output=False)
        if state is None:
            raise InstanceNotFound(instance_id)
        events = await hub.client.history(instance_id)
        trace = await self._reader.trace(hub, instance_id, events)
        execution = steps_of(events, None if trace is None else trace.retries)
        recent = () if hub.runtime is None else hub.runtime.diagnostics.recent()
        findings = [finding for finding in recent if finding.instance_id == instance_id]
        return InstanceView(
            events=events,
            waits=[] if state.runtime_status.is_terminal else waits_of(events, execution, trace),
            waits_are_known=state.runtime_status.is_terminal or (trace is not None and trace.waits is not None),
            ledger=ledger_of(events, execution, trace, findings, _WHOLE),
            encodes_inputs_twice=encodes_inputs_twice(hub.code),
            children=[step.target for step in execution.steps if step.kind == "child" and step.target],
        )
