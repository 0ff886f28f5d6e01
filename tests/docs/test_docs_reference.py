"""The reference pages are complete: compared with the code, in both directions if possible."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator

import cli_reference
import pytest
from doc_pages import ROOT, Page, Row, page

import durable_host.errors
from durable_host.config import host_json
from durable_host.config.local_settings import FILE_NAME
from durable_host.config.section import Section
from durable_host.config.settings import AppSettings
from durable_host.durable.engine.entity_failures import MAX_BATCH_ATTEMPTS
from durable_host.durable.taskhub.azure import app_lease
from durable_host.durable.taskhub.azure.assembly import DEVELOPMENT_POLLING_INTERVAL
from durable_host.durable.taskhub.azure.options import AzureTaskHubOptions
from durable_host.host.binding_registry import binding_registry
from durable_host.host.durable_services import ACTIVITY_WINDOW_ON_EMULATOR
from durable_host.host.functions import SERVED_TRIGGERS
from durable_host.triggers import listener_lock
from durable_host.triggers.blob import trigger as blob_trigger
from durable_host.triggers.queue.trigger import HOLD, HOLD_ON_DEVELOPMENT_ACCOUNT

SOURCE = ROOT / "durable_host"
HOST_JSON = "docs/reference/host-json.md"
SETTINGS = "docs/reference/settings.md"
BINDINGS = "docs/reference/bindings.md"
CODES = "docs/reference/exit-and-error-codes.md"
DIFFERENCES = "docs/reference/differences.md"

_SETTING = re.compile(
    r"(AzureWebJobs|AzureFunctions|AZURE_FUNCTIONS_|FUNCTIONS_|PYTHON_|WEBSITE_|WATCHFILES_|DURABLE_HOST_|OTEL_"
    r"|languageWorkers__|CLI_|CONTINUOUS_)\w+"
)
_INTERNAL = {
    "DURABLE_HOST_PID": "from the host to the Azurite that it starts",
    "DURABLE_HOST_AZURITE_NOTE": "from the host to the Azurite that it starts",
    "AzureWebJobsParentId": "metadata of a blob, no setting",
    "AzureFunctionsRpcMessages": "the package of the messages of FunctionRpc",
}


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")


# The command line


def test_the_page_of_the_command_line_is_what_the_program_says() -> None:
    assert cli_reference.PATH.read_text("utf-8") == cli_reference.render(), (
        f"the command line has changed; update its page: {sys.executable} {cli_reference.__file__}"
    )


# Codes


def test_every_error_code_of_the_source_is_listed_and_no_other() -> None:
    used = {code for _, text in modules() for code in re.findall(r'"(DH\d{4})"', text)}
    listed = [code for row in page(CODES).rows() for code in row.code() if re.fullmatch(r"DH\d{4}", code)]
    assert sorted(listed) == sorted(used)


def test_error_codes_stand_below_the_heading_of_their_number() -> None:
    headings = {
        "1": "Configuration", "2": "Storage", "3": "Ports and web", "4": "The app and its worker",
        "5": "Triggers and bindings", "6": "Durable Functions",
    }  # fmt: skip
    rows = [row for row in page(CODES).rows() if row.code() and row.code()[0].startswith("DH")]
    assert [row.cells[0] for row in rows if row.heading != headings[row.code()[0][2]]] == []


def test_every_exit_code_is_listed() -> None:
    codes = {value for name, value in vars(durable_host.errors).items() if name.startswith("EXIT_")}
    listed = {int(row.cells[0]) for row in page(CODES).rows() if row.heading.startswith("Exit codes")}
    assert codes <= listed


# host.json


def read_settings(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Paths of all that the reader of host.json asks for."""
    asked: set[str] = set()
    raw, accept = Section.raw, Section.accept

    def recording_raw(self: Section, key: str) -> object:
        asked.add(self.path(key))
        return raw(self, key)

    def recording_accept(self: Section, *keys: str) -> None:
        asked.update(self.path(key) for key in keys)
        accept(self, *keys)

    monkeypatch.setattr(Section, "raw", recording_raw)
    monkeypatch.setattr(Section, "accept", recording_accept)
    retry = {"strategy": "fixedDelay", "maxRetryCount": 1, "delayInterval": "00:00:01"}
    host_json.read({"version": "2.0", "retry": retry}, "host.json", lambda text, _: text, [])
    return asked


def listed_settings() -> list[str]:
    """Paths of all rows: a heading in backticks is the path of the object that its table is about."""
    found: list[str] = []
    for row in page(HOST_JSON).rows():
        prefix = f"{row.heading.strip('`')}." if row.heading.startswith("`") else ""
        found += [f"{prefix}{name}" for name in row.code()]
    return found


def test_every_setting_of_host_json_is_listed_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(listed_settings()) == sorted(read_settings(monkeypatch))


def test_settings_that_the_host_calls_without_effect_are_called_so_on_the_page() -> None:
    from durable_host.config.durable_notes import _NOTES
    from durable_host.config.notes import NOTES

    prefix = "extensions.durableTask"
    silent = {f"{prefix}.{part}.{key}" if part else f"{prefix}.{key}" for part in _NOTES for key in _NOTES[part]}
    silent |= {f"{path}.{key}".strip(".") for path in NOTES for key in NOTES[path]}
    rows = [row for row in page(HOST_JSON).rows() if "no effect" in row.cells[2]]
    told = {f"{row.heading.strip('`')}.{name}" for row in rows for name in row.code()}
    told |= {name for row in rows if not row.heading.startswith("`") for name in row.code()}
    assert silent - told == set()


# Settings


def settings_of_the_source() -> set[str]:
    found: set[str] = set()
    for _, text in modules():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SETTING.fullmatch(node.value):
                found.add(node.value)
    values_of_host_json = {name for name in found if name.startswith("AzureFunctionsJobHost__extensions")}
    return found - _INTERNAL.keys() - values_of_host_json


def test_every_setting_that_the_source_names_is_listed() -> None:
    text = page(SETTINGS).text
    assert [name for name in sorted(settings_of_the_source()) if name not in text] == []


def test_members_of_local_settings_are_those_that_are_read() -> None:
    source = (SOURCE / "config" / "local_settings.py").read_text("utf-8")
    rows = [row for row in page(SETTINGS).rows() if row.heading.strip("`") == FILE_NAME]
    assert rows
    assert [name for row in rows for name in row.code()[:1] if f'"{name}"' not in source] == []


# Bindings


def types_below(heading: str) -> set[str]:
    return {name for row in page(BINDINGS).rows() if row.heading.startswith(heading) for name in row.code()}


def test_every_served_trigger_is_listed_and_no_other() -> None:
    assert {name.lower() for name in types_below("Triggers that are served")} == SERVED_TRIGGERS


def test_every_served_binding_is_listed_and_no_other() -> None:
    registry = binding_registry(None, None, None, host_json.QueueOptions(), None, AppSettings({}))  # type: ignore[arg-type]
    inputs, outputs = types_below("Input bindings"), types_below("Output bindings")
    assert {name.lower() for name in inputs} == set(registry._inputs)
    assert {name.lower() for name in outputs} == set(registry._outputs) | {"http"}


def test_no_served_type_is_listed_as_not_served() -> None:
    served = {"queue", "blob", "table", "http", "durableclient", *SERVED_TRIGGERS}
    assert {name.lower() for name in types_below("Not served")} & served == set()


# Differences


def row_with(text: str) -> str:
    found = [" | ".join(row.cells) for row in page(DIFFERENCES).rows() if text in " | ".join(row.cells)]
    assert len(found) == 1, f"{len(found)} rows have {text!r}"
    return found[0]


@pytest.mark.parametrize(
    ("row", "values"),
    [
        ("outstanding activities of an instance", [f"at most {ACTIVITY_WINDOW_ON_EMULATOR}"]),
        ("hidden for five minutes", [f"up to {AzureTaskHubOptions().hold_time:.0f}"]),
        ("An idle hub is polled", ["Every two seconds"]),
        ("is refused the hub", [f"After {app_lease._ACQUIRE_SECONDS:.0f}"]),
        ("After a crash the lease of a timer", [f"every {listener_lock.RETRY_SECONDS:.0f} seconds"]),
        ("hidden for ten minutes", [f"for {HOLD_ON_DEVELOPMENT_ACCOUNT:.0f} seconds", "renewed after 15"]),
    ],
)
def test_numbers_in_the_differences_are_those_of_the_code(row: str, values: list[str]) -> None:
    assert [value for value in values if value not in row_with(row)] == []


def test_numbers_that_the_pages_write_as_words_are_those_of_the_code() -> None:
    assert DEVELOPMENT_POLLING_INTERVAL == 2
    assert MAX_BATCH_ATTEMPTS == 3
    assert HOLD == 600
    assert (blob_trigger.DEVELOPMENT_INTERVAL, blob_trigger.CLOUD_INTERVAL) == (2, 10)


def differences() -> list[Row]:
    return [row for row in page(DIFFERENCES).rows() if row.heading != page(DIFFERENCES).headings()[0]]


def test_every_difference_says_what_is_there_what_is_here_what_to_do_why_and_how_to_switch() -> None:
    assert [row.cells[0] for row in differences() if len(row.cells) != 5 or not all(row.cells)] == []


def test_no_difference_is_listed_twice() -> None:
    first_cells = Counter(row.cells[0] for row in differences())
    assert [text for text, count in first_cells.items() if count > 1] == []
    anchors = page(DIFFERENCES).own_anchors()
    assert len(anchors) == len(set(anchors)) == len([row for row in differences() if row.key])


def test_differences_are_ordered_by_who_notices_as_the_index_says() -> None:
    title, *sections = page(DIFFERENCES).headings()
    index = [row.cells[1] for row in page(DIFFERENCES).rows() if row.heading == title]
    assert index == [f"[{section}](#{section.lower().replace(', ', '-').replace(' ', '-')})" for section in sections]
    assert list(dict.fromkeys(row.heading for row in differences())) == sections


def test_what_to_do_about_a_difference_is_not_hidden_in_another_column() -> None:
    """What users must do is in the column for it."""
    hints = ("Do not", "Your code must", "you must", "Avoid ")
    found = [(row.cells[0], hint) for row in differences() for hint in hints if hint in " ".join(row.cells[:2])]
    assert found == []


# The sample app and the folders


def test_every_route_of_the_sample_is_in_the_readme() -> None:
    import function_app

    samples = "\n".join(row.cells[2] for row in page("README.md").rows() if row.heading == "The samples")
    missing: list[str] = []
    for function in function_app.app.get_functions():
        trigger = function.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            methods = [str(method.value) for method in trigger["methods"]]
            row = [line for line in samples.splitlines() if f"/api/{trigger['route']}`" in line]
            missing += [f"{method} {trigger['route']}" for method in methods if not any(method in one for one in row)]
    assert missing == []


def test_every_blueprint_is_in_the_readme() -> None:
    files = {path.name for path in (ROOT / "functions").glob("*.py")}
    helpers = {"__init__.py", "approval_message.py", "json_input.py"}
    listed = {row.cells[0] for row in page("README.md").rows() if row.heading == "The samples"}
    assert {f"[{name}](functions/{name})" for name in files - helpers} == listed


def test_every_folder_of_the_host_is_in_the_architecture() -> None:
    house = next(block.text for block in Page.read(ROOT / "docs/architecture.md").blocks if "├──" in block.text)
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    folders |= {path.name for path in (SOURCE / "durable").iterdir() if path.is_dir() and path.name != "__pycache__"}
    modules = {path.name for path in SOURCE.glob("*.py") if not path.name.startswith("__")}
    assert [name for name in sorted(folders) if f"── {name}/" not in house] == []
    assert [name for name in sorted(modules) if name not in house] == []
