"""Writes docs/reference/cli.md from the command line itself. `python tests/docs/cli_reference.py` updates it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from durable_host.cli import start
from durable_host.cli.durable.options import hub_options
from durable_host.cli.program import ELSEWHERE, SECTIONS, SETTINGS, program

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"

_HEAD: Final = """# The command line

The program is called `func`. `durable-host` is another name for it, which no other program uses.

Commands and options are not case-sensitive. Write the value of an option as `--name value` or `--name=value`. Separate
the elements of a list with spaces or commas: `--functions hello tick`.

Every command works in the current folder, or in the nearest folder above that contains a `host.json` or a
`local.settings.json`. `--script-root PATH`, anywhere on the line, selects another folder.

Errors go to standard error, with a code, a message, the cause and the remedy. [Exit and error
codes](exit-and-error-codes.md) lists them all. `--debug-traceback` or `CLI_DEBUG=1` adds the traceback. With
`--output json` each of them is [a JSON object](exit-and-error-codes.md#error-codes).

`func --help` and `func COMMAND --help` show the same in the terminal. This page is generated from the program, and a
test compares the two.

"""

_SERVE: Final = "func durable serve"
"""Its options are its own."""

_MORE: Final = {
    "func start": """**Which Python.** `--python` takes an interpreter or the folder of a virtual
environment. Without it, the host uses the first of these: the setting
`languageWorkers__python__defaultExecutablePath`, `VIRTUAL_ENV`, an environment named `.venv`, `venv`, `env` or `.env`
in the app's folder, the Python that the host itself runs on. If the active environment is the host's own and the app
has one, the app's environment is used.

**Task hub.** `--task-hub sqlite` keeps orchestrations in a file, `--task-hub storage` in the account of
`AzureWebJobsStorage`. Without it host.json decides. If host.json names a service that is not available here, such as
the Durable Task Scheduler, the hub is in the development account, or in a file if the app does not use that account.
If `func durable` should use the same place, set `DURABLE_HOST_TASK_HUB` instead.

**Output.** On a terminal it is `compact`: time of day, function, message. Elsewhere it is `plain`: the lines of Core
Tools, each with its time in UTC in front. With `json` each line is an object. Log records have `time`, `level`,
`category` and `message`, and if they are known `function`, `invocationId` and `instanceId`. Records about the start
or the end of a function, an orchestration or an entity also have `status`, at the end `durationMs`, and after a
failure `exception` with `type`, `message`, `file`, `line` and sometimes `hint`, the likely cause. When the host is
ready, it writes one record with `"event": "started"`, the address in `base_url`, and the functions.

**Keys.** With `--enable-auth`, callers send a key as `?code=` or in the header `x-functions-key`. To read the keys,
set `AzureWebJobsSecretStorageType=files`, so that they are the same with and without the option. Then start the host
without it: `curl localhost:7071/admin/host/systemkeys/_master` shows the master key, and
`curl localhost:7071/admin/functions/NAME/keys` those of a function.

**Changes.** The host applies changes of files while it runs: modules of the app, `host.json`, `function.json`,
`local.settings.json`, and the files named by `watchFiles` and `watchDirectories` of `host.json`. It does not watch
environments, caches, folders named `test` or `tests`, and names that begin with a dot. Running calls finish with the
old code. If the new code does not load, the old code keeps running.

**Stopping.** Ctrl+C gives running functions some seconds to finish. After one second the host names the functions that
it waits for. It stops after ten seconds at the latest. A second Ctrl+C stops it immediately. SIGTERM is the same as
Ctrl+C.

""",
    "func exec": """**Storage.** If the app uses the development account and nothing listens there, the host starts
an Azurite that keeps its data in memory and stops with the command. The task hub has a random name and is deleted at
the end, unless you use `--keep-hub`. Other queues, tables and containers of the app are not touched.

**Exit code.** That of COMMAND. 127 if the command does not exist, 130 after Ctrl+C, 143 after SIGTERM, and the code of
`func start` if the host does not start.

""",
    "func durable": """All of its commands but `serve` take these options:

{hub_options}
`--output` of `func durable export` is a folder.

They find the hub in the same way as the host: name, connection and provider come from `host.json`, the value of the
connection from the settings. Outside an app, they work if you use `--task-hub-name` and the connection is in the
environment.

""",
}

_TAIL: Final = """## Ignored options of Core Tools

`func start` accepts these options and prints a line saying that they are ignored.

{ignored}
## Commands of Core Tools that are not available

{elsewhere}
"""


def render() -> str:
    """The page."""
    root = click.Context(program, info_name="func", **SETTINGS)
    parts = [_HEAD, _overview(root), "## func\n\n", _table(_shown(program)), "\n"]
    names = [name for _, section in SECTIONS for name in section]
    for name in names:
        command = program.get_command(root, name)
        assert command is not None
        parts += _command(command, click.Context(command, info_name=name, parent=root, **SETTINGS))
    ignored = {**start._IGNORED_FLAGS, **start._IGNORED_VALUES}
    rows = "".join(f"| `{name}` | {_sentence(reason)} |\n" for name, reason in sorted(ignored.items()))
    elsewhere = "".join(f"| `func {name}` | {text} |\n" for name, text in sorted(ELSEWHERE.items()))
    parts.append(
        _TAIL.format(
            ignored=f"| Option | Why |\n| --- | --- |\n{rows}",
            elsewhere=f"| Command | What to do |\n| --- | --- |\n{elsewhere}".rstrip(),
        )
    )
    return "".join(parts)


def _overview(root: click.Context) -> str:
    rows = ["| Command | What it does |\n| --- | --- |\n"]
    for _, names in SECTIONS:
        for name in names:
            command = program.get_command(root, name)
            assert command is not None
            rows.append(f"| [`func {name}`](#func-{name}) | {_first_sentence(command)} |\n")
    return "".join(rows) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    path = context.command_path
    yield f"## {path}\n\n" if path.count(" ") == 1 else f"### {path}\n\n"
    if path in ("func bundles", "func extensions"):
        assert isinstance(command, click.Group)
        names = " and ".join(", ".join(f"`{name}`" for name in command.list_commands(context)).rsplit(", ", 1))
        yield f"{_text(command.help).strip()} {names} are accepted and do nothing.\n\n"
        return
    if isinstance(command, click.Group):
        yield _text(command.help)
        yield _MORE.get(path, "").format(hub_options=_table(_hub_options()))
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None
            if path in ("func function", "func host"):
                alias = "start" if path == "func host" else "new"
                yield f"`{path} {name}` is [`func {alias}`](#func-{alias}).\n\n"
            else:
                yield from _command(sub, click.Context(sub, info_name=name, parent=context, **SETTINGS))
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{path} {usage}\n```\n\n"
    yield _text(command.help)
    shared = (
        {option.name for option in _hub_options()}
        if path.startswith("func durable ") and path != _SERVE
        else set[str]()
    )
    table = _table([option for option in _shown(command) if option.name not in shared])
    yield f"{table}\n" if table else ""
    yield _text(command.epilog)
    yield _MORE.get(path, "")


def _shown(command: click.Command) -> list[click.Option]:
    return [option for option in command.params if isinstance(option, click.Option) and not option.hidden]


def _hub_options() -> list[click.Option]:
    return _shown(hub_options(click.Command("any")))[::-1]  # pyright: ignore[reportArgumentType]


def _table(options: list[click.Option]) -> str:
    rows = [f"| {_names(option)} | {_cell(option)} |\n" for option in options]
    return f"| Option | Meaning |\n| --- | --- |\n{''.join(rows)}" if rows else ""


def _names(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    if option.is_flag or option.count:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} `{'/'.join(str(choice) for choice in option.type.choices)}`"
    value = option.metavar or option.type.name.upper().removesuffix(" RANGE")
    return f"{names} `{value.replace('|', '/')}`"


def _cell(option: click.Option) -> str:
    text = option.help or ""
    if option.required:
        text += " Required."
    if option.show_default and option.default is not None:
        text += f" Default: {option.default:g}." if isinstance(option.default, float | int) else ""
    return text.replace("|", "\\|")


def _first_sentence(command: click.Command) -> str:
    text = " ".join((command.help or "").split("\n\n")[0].split())
    return re.split(r"(?<=\.) ", text)[0]


def _text(text: str | None) -> str:
    """Paragraphs; those that begin with the mark of a verbatim one become a block."""
    parts: list[str] = []
    for paragraph in re.split(r"\n\s*\n", (text or "").strip()):
        lines = [line.strip() if "\b" not in paragraph else line.rstrip() for line in paragraph.splitlines()]
        if not paragraph:
            continue
        if "\b" in paragraph:
            head, *rest = [line for line in lines if line.strip() != "\b"]
            indent = min((len(line) - len(line.lstrip()) for line in rest), default=0)
            body = "\n".join(line[indent:] for line in rest)
            parts.append(f"{head.strip()}\n\n```text\n{body}\n```\n\n")
        else:
            parts.append(" ".join(lines) + "\n\n")
    return "".join(parts)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


if __name__ == "__main__":
    PATH.write_text(render(), "utf-8")
    sys.stdout.write(f"{PATH} is written.\n")
