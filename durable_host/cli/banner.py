"""What `func start` shows when the host is ready: functions with their URLs, storage, task hub. Pure functions.

Source: docs/protocol/functions-host-cli.md#start-output
"""

from typing import Final

import msgspec

import durable_host
from durable_host.cli.colour import BOLD, CYAN, DIM, GREEN, YELLOW, painted
from durable_host.cli.line_width import broken_lines
from durable_host.cli.lines import OutputMode
from durable_host.cli.printable import printable_lines
from durable_host.config.start_options import FunctionLine, StartSummary
from durable_host.redaction import redacted_struct

_INDENT: Final = "    "
_LABEL: Final = 11
"""The width of the labels of facts."""


def render(
    summary: StartSummary, mode: OutputMode, *, coloured: bool = False, verbose: bool = False, width: int | None = None
) -> str:
    """The announcement in the given output mode, without the secrets that names and reasons may contain.

    `width` is that of the terminal, if there is one.
    """
    summary = redacted_struct(summary)
    if mode == "json":
        members = msgspec.to_builtins(summary) | {"event": "started"}
        return msgspec.json.encode(members).decode() + "\n"
    if mode == "compact":
        listing = compact_listing(summary.functions, coloured, width)
    else:
        listing = plain_listing(summary.functions, coloured)
    parts = [head(summary, coloured), listing, facts(summary, coloured, width)]
    if not verbose:
        parts.append(painted("For detailed output, run func with --verbose flag.", CYAN, coloured) + "\n")
    return "\n".join(part for part in parts if part)


def head(summary: StartSummary, coloured: bool = False) -> str:
    """Versions of the host, the interpreter and the SDKs."""
    found = ""
    for name, version, path in (
        ("Python", summary.python_version, summary.python_path),
        ("Node.js", summary.node_version, summary.node_path),
        (".NET", summary.dotnet_version, summary.dotnet_path),
    ):
        if version:
            found = f"Found {name} version {version}{f' ({path})' if path else ''}.\n"
    versions = [f"durable-host {durable_host.__version__}", *(f"{name} {v}" for name, v in summary.sdk_versions)]
    return painted(found, DIM, coloured) + painted(", ".join(versions), DIM, coloured) + "\n"


def plain_listing(functions: tuple[FunctionLine, ...], coloured: bool = False) -> str:
    """The listing of Core Tools: HTTP functions first, an empty line after each, disabled ones last."""
    served, unserved, disabled = _groups(functions)
    if not functions:
        return painted("No functions were found.", YELLOW, coloured) + "\n"
    text = painted("Functions:", YELLOW, coloured) + "\n"
    for function in served:
        name = painted(f"{function.name}:", YELLOW, coloured)
        text += f"\n\t{name} {painted(_address(function), GREEN if function.url else '', coloured)}\n"
    for function in unserved:
        what = _address(function) if function.failed_to_load else function.kind
        text += f"\n\t{painted(f'{function.name}:', YELLOW, coloured)} {what} "
        text += f"{painted(_not_served(function), YELLOW, coloured)}\n"
    for function in disabled:
        text += "\n" + painted(f"Function {function.name} is disabled.", YELLOW, coloured) + "\n"
    return text


def compact_listing(functions: tuple[FunctionLine, ...], coloured: bool = False, width: int | None = None) -> str:
    """One line per function, in columns. If the last column does not fit into `width`, it is on lines of its own."""
    served, unserved, disabled = _groups(functions)
    if not functions:
        return painted("No functions were found.", YELLOW, coloured) + "\n"
    names = max(len(function.name) for function in functions)
    followed = [one for one in functions if one.url or one.disabled or one.reason is not None]
    kinds = max((len(_kind(function)) for function in followed), default=0)
    lines = [painted("Functions", BOLD, coloured)]
    for function in (*served, *unserved, *disabled):
        name = painted(f"{function.name:{names}}", CYAN, coloured)
        tail, codes = _tail(function), GREEN if function.reason is None and not function.disabled else YELLOW
        kind = _kind(function)
        ends = tail.splitlines()
        length = len(f"  {function.name:{names}}  {kind:{kinds}}  {tail}")
        if width is None or not tail or (len(ends) == 1 and length <= width):
            lines.append(f"  {name}  {kind:{kinds}}  {painted(tail, codes, coloured)}".rstrip())
            continue
        lines.append(f"  {name}  {kind}")
        broken = [line for end in ends for line in broken_lines(end, width - len(_INDENT))]
        lines += [_INDENT + painted(line, codes, coloured) for line in broken]
    return "\n".join(lines) + "\n"


def _tail(function: FunctionLine) -> str:
    if function.disabled:
        return "disabled"
    if function.reason is None:
        return function.url or ""
    url = f"{function.url} " if function.failed_to_load and function.url else ""
    return url + _not_served(function)


def facts(summary: StartSummary, coloured: bool = False, width: int | None = None) -> str:
    """Storage, task hub, addresses and the start-up time."""
    entries: list[tuple[str, str]] = []
    if summary.storage:
        entries.append(("Storage", summary.storage + (" (started by this host)" if summary.azurite_started else "")))
    if summary.task_hub:
        flight = summary.instances_in_flight
        note = "" if flight is None else f", {flight} instance{'' if flight == 1 else 's'} in flight"
        entries.append(("Task hub", summary.task_hub + note))
    if summary.grpc_url:
        entries.append(("gRPC", summary.grpc_url))
    if summary.mcp_url:
        entries.append(("MCP", summary.mcp_url))
    if summary.dashboard_url:
        entries.append(("Dashboard", summary.dashboard_url))
    if summary.chaos:
        entries.append(("Chaos", summary.chaos))
    shown = "".join(_fact(label, text, coloured, width) for label, text in entries)
    return shown + address(summary, coloured, width)


def address(summary: StartSummary, coloured: bool = False, width: int | None = None) -> str:
    """The line with the address and the start-up time."""
    ready = "" if summary.seconds_to_ready is None else f" (ready in {summary.seconds_to_ready:.1f} s)"
    return _fact("Listening", f"{summary.base_url}{ready}, Ctrl+C stops", coloured, width)


def _fact(label: str, text: str, coloured: bool, width: int | None) -> str:
    first, *rest = broken_lines(text, width and width - _LABEL)
    more = "".join(f"{' ' * _LABEL}{line}\n" for line in rest)
    return f"{painted(f'{label}:'.ljust(_LABEL), DIM, coloured)}{first}\n{more}"


def _groups(functions: tuple[FunctionLine, ...]) -> tuple[list[FunctionLine], list[FunctionLine], list[FunctionLine]]:
    """Served functions (HTTP first), those without a listener here, and disabled ones."""
    served = [function for function in functions if not function.disabled and function.reason is None]
    unserved = [function for function in functions if not function.disabled and function.reason is not None]
    disabled = [function for function in functions if function.disabled]
    return sorted(served, key=lambda function: function.url is None), unserved, disabled


def _address(function: FunctionLine) -> str:
    if function.url is None:
        return function.kind
    methods = f"[{','.join(function.methods)}]" if function.methods else ""
    return f"{methods} {function.url}"


def _kind(function: FunctionLine) -> str:
    if function.url is None:
        return function.kind
    return ",".join(function.methods) or "any method"


def _not_served(function: FunctionLine) -> str:
    what = "does not load" if function.failed_to_load else "not served"
    return f"({what}: {printable_lines(function.reason or '')})"
