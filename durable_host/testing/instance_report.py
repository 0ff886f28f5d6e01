"""What a failure says about an instance: its state, what it waits for, and the end of its history."""

from durable_host.testing.app_backend import InstanceView
from durable_host.testing.history_row import EPISODE_ROWS, history_rows
from durable_host.testing.instance_record import Instance
from durable_host.testing.instance_wait import as_instance_wait
from durable_host.testing.json_values import as_json

__tracebackhide__ = True

_ROWS = 8


def title_of(one: Instance) -> str:
    """Such as `'order-7' (approval)`."""
    return f"'{one.instance_id}' ({one.name})"


def state_line(one: Instance) -> str:
    """Such as `Running, custom status "waiting"`."""
    parts = [one.status]
    if one.custom_status is not None:
        parts.append(f"custom status {as_json(one.custom_status)}")
    if one.status == "Failed":
        parts.append(f"error: {one.output}")
    elif one.output is not None:
        parts.append(f"output {as_json(one.output)}")
    return ", ".join(parts)


def view_report(one: Instance, view: InstanceView) -> str:
    """Several lines about an instance."""
    lines = [f"{title_of(one)}: {state_line(one)}"]
    if view.waits:
        lines += ["waits for:", *(f"  {as_instance_wait(wait)}" for wait in view.waits)]
    if not view.waits_are_known:
        lines.append("(Waits for events are not known: the code of the orchestrator could not be replayed.)")
    rows = history_rows(view.events, encodes_twice=view.encodes_inputs_twice)
    shown = [row for row in rows if row.type not in EPISODE_ROWS]
    if shown:
        lines.append("last rows of its history:" if len(shown) > _ROWS else "history:")
        lines += [f"  {row.time:%Y-%m-%d %H:%M:%S}  {row}" for row in shown[-_ROWS:]]
    return "\n".join(lines)
