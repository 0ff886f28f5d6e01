"""`func run`: runs one function of a running host and shows the outcome.

The host does the work (`POST /admin/functions/{name}`).

Source: docs/protocol/functions-host-admin.md#manual-invocation
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

import click

from durable_host.cli.app_folder import app_root
from durable_host.cli.printable import printable_lines
from durable_host.cli.running_host import Address, HostNotRunning, address_of_host, request_host
from durable_host.config import load
from durable_host.errors import EXIT_FAILURE, EXIT_STOPPED, HostError, UsageError

_ANSWERS_WITHIN: Final = 10.0
"""In seconds, for requests that run no function."""


class RunRefused(HostError):
    """The host has no such function, cannot run it by hand, or requires another key."""

    code = "DH3022"


@click.command("run")
@click.argument("name")
@click.option("-c", "--content", metavar="TEXT", help="Input of the function: a body, a message, the name of a blob.")
@click.option("-f", "--file", "path", metavar="PATH", help="Read the input from a file; - is stdin.")
@click.option("-p", "--port", type=click.IntRange(1, 65535), help="Port of the host (default: that of the app).")
@click.option("--key", metavar="KEY", help="The master key, for a host with --enable-auth.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="Output format.")
@click.pass_context
def run(
    ctx: click.Context, name: str, content: str | None, path: str | None, port: int | None, key: str | None, output: str
) -> int:
    """Run the function NAME of the running host now, whatever its trigger, and show what it returned.

    \b
    Examples:
      func run nightly_report
      func run ApprovalQueueProcessor --content '{"instanceId": "42", "approved": true}'
    """
    address = _address(ctx, port)
    began = time.monotonic()
    outcome = _invoke(address, name, _text(content, path), key)
    succeeded = outcome.get("status") == "Succeeded"
    if output == "json":
        click.echo(json.dumps(outcome, ensure_ascii=False))
    else:
        _show(name, outcome, time.monotonic() - began)
    return EXIT_STOPPED if succeeded else EXIT_FAILURE


def _address(ctx: click.Context, port: int | None) -> Address:
    return address_of_host(load(app_root(ctx), environ=os.environ)) if port is None else Address("127.0.0.1", port)


def _text(content: str | None, path: str | None) -> str:
    if path is None:
        return content or ""
    if content is not None:
        raise UsageError("--content and --file cannot be combined.", remedy="Use one of them.")
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise UsageError(f"The file '{path}' cannot be read.", cause=str(error), code="DH1042") from error


def _invoke(address: Address, name: str, text: str, key: str | None) -> dict[str, Any]:
    """The outcome that the host returns. Raises HostNotRunning, AnswerIncomplete, RunRefused."""
    request_host(address, "GET", "/admin/host/ping", answers_within=_ANSWERS_WITHIN)  # a function may take hours
    status, answer = request_host(address, "POST", f"/admin/functions/{quote(name, safe='')}?wait=true", key, text)
    if status == 200 and isinstance(answer, dict) and "status" in answer:
        return cast("dict[str, Any]", answer)
    if status in (401, 403):
        raise RunRefused("The host requires another key.", remedy="Pass the master key with --key.")
    if status == 404:
        raise RunRefused(f"The host at {address} has no function '{name}'.", cause=_names(address, key))
    message = cast("dict[str, Any]", answer).get("Message") if isinstance(answer, dict) else answer
    raise RunRefused(
        str(message or f"The host answered {status}."),
        remedy="Start orchestrations with 'func durable start-new'. Signal entities over HTTP: POST to "
        f"{address}/runtime/webhooks/durabletask/entities/NAME/KEY?op=OPERATION.",
    )


def _names(address: Address, key: str | None) -> str:
    status, answer = request_host(address, "GET", "/admin/functions", key, answers_within=_ANSWERS_WITHIN)
    if status != 200 or not isinstance(answer, list):
        raise HostNotRunning(f"The server at {address} is not a Functions host.", remedy="Start one with 'func start'.")
    names = [str(function["name"]) for function in cast("list[dict[str, Any]]", answer)]
    return f"It has: {', '.join(names)}" if names else "It has no functions."


def _show(name: str, outcome: dict[str, Any], seconds: float) -> None:
    """Print the return value on stdout and the outcome on stderr."""
    if outcome.get("status") != "Succeeded":
        click.echo(printable_lines(f"{name} failed: {outcome.get('error', '')}"), err=True)
        if outcome.get("stack"):
            click.echo(printable_lines(outcome["stack"]), err=True)
        return
    returned = outcome.get("returnValue")
    is_http = isinstance(returned, dict) and returned.keys() == {"status", "body"}
    if is_http:
        note = f", status {cast('dict[str, Any]', returned)['status']}"
        _echo(cast("dict[str, Any]", returned)["body"])
    else:
        note = ""
        if returned is not None:
            _echo(returned)
    for binding, value in cast("dict[str, Any]", outcome.get("outputs") or {}).items():
        click.echo(f"{binding}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    click.echo(f"{name} succeeded in {seconds:.2f} s{note} ({outcome.get('invocationId')}).", err=True)


def _echo(value: Any) -> None:
    click.echo(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))
