"""What a failure says about an instance: its state, what it waits for, and the end of its history."""

from collections.abc import Sequence

from durable_host.testing.history_row import EPISODE_ROWS, HistoryRow
from durable_host.testing.instance_record import Instance
from durable_host.testing.instance_wait import InstanceWait
from durable_host.testing.json_values import as_json

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


def instance_report(
    one: Instance, waits: Sequence[InstanceWait], rows: Sequence[HistoryRow], *, waits_are_known: bool = True
) -> str:
    """Several lines about an instance."""
    lines = [f"{title_of(one)}: {state_line(one)}"]
    if waits:
        lines += ["waits for:", *(f"  {wait}" for wait in waits)]
    if not waits_are_known:
        lines.append("(Waits for events are not known: the code of the orchestrator could not be asked.)")
    shown = [row for row in rows if row.type not in EPISODE_ROWS]
    if shown:
        more = len(shown) - _ROWS
        lines.append("last rows of its history:" if more > 0 else "history:")
        lines += [f"  {row.time:%Y-%m-%d %H:%M:%S}  {row}" for row in shown[-_ROWS:]]
    return "\n".join(lines)
