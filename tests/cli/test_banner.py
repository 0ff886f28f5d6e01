"""The announcement at startup.

Source: docs/protocol/functions-host-cli.md#start-output
"""

import json

import msgspec

from durable_host.cli import banner
from durable_host.config.start_options import FunctionLine, StartSummary

BASE = "http://localhost:7071"
FUNCTIONS = (
    FunctionLine(name="b", kind="blobTrigger"),
    FunctionLine(name="hello", kind="httpTrigger", methods=("GET", "POST"), url=f"{BASE}/api/hello/{{name:alpha}}"),
    FunctionLine(name="hub", kind="eventHubTrigger", reason="Event Hubs are not served here"),
    FunctionLine(name="off", kind="httpTrigger", url=f"{BASE}/api/off", disabled=True),
    FunctionLine(name="open", kind="httpTrigger", url=f"{BASE}/api/open"),
    FunctionLine(name="q", kind="queueTrigger"),
)
SUMMARY = StartSummary(
    base_url=BASE,
    functions=FUNCTIONS,
    storage="Azurite at 127.0.0.1:10000-10002",
    azurite_started=True,
    task_hub="TestHubName",
    instances_in_flight=3,
    python_version="3.11.7",
    python_path="/app/.venv/bin/python",
    sdk_versions=(("azure-functions", "1.26.0"),),
    seconds_to_ready=1.234,
)


def test_plain_listing_is_that_of_core_tools():
    assert banner.plain_listing(FUNCTIONS) == (
        "Functions:\n"
        "\n\thello: [GET,POST] http://localhost:7071/api/hello/{name:alpha}\n"
        "\n\topen:  http://localhost:7071/api/open\n"
        "\n\tb: blobTrigger\n"
        "\n\tq: queueTrigger\n"
        "\n\thub: eventHubTrigger (not served: Event Hubs are not served here)\n"
        "\nFunction off is disabled.\n"
    )


def test_compact_listing_is_a_table():
    assert banner.compact_listing(FUNCTIONS).splitlines() == [
        "Functions",
        "  hello  GET,POST         http://localhost:7071/api/hello/{name:alpha}",
        "  open   any method       http://localhost:7071/api/open",
        "  b      blobTrigger",
        "  q      queueTrigger",
        "  hub    eventHubTrigger  (not served: Event Hubs are not served here)",
        "  off    any method       disabled",
    ]


def test_long_kinds_do_not_move_urls_to_the_right():
    functions = (*FUNCTIONS[:2], FunctionLine(name="steps", kind="orchestrationTrigger"))
    assert "  hello  GET,POST  http://localhost:7071/api/hello/{name:alpha}" in banner.compact_listing(functions)


def test_facts_tell_where_mcp_clients_connect():
    url = f"{BASE}/runtime/webhooks/mcp"
    assert f"MCP:       {url}\n" in banner.facts(msgspec.structs.replace(SUMMARY, mcp_url=url))


def test_facts_tell_storage_hub_address_and_time():
    assert banner.facts(SUMMARY) == (
        "Storage:   Azurite at 127.0.0.1:10000-10002 (started by this host)\n"
        "Task hub:  TestHubName, 3 instances in flight\n"
        "Listening: http://localhost:7071 (ready in 1.2 s), Ctrl+C stops\n"
    )


def test_facts_leave_out_what_is_not_in_use():
    assert banner.facts(StartSummary(base_url=BASE)) == "Listening: http://localhost:7071, Ctrl+C stops\n"


def test_plain_announcement_starts_with_the_interpreter_and_ends_with_the_hint():
    text = banner.render(SUMMARY, "plain")
    assert text.startswith("Found Python version 3.11.7 (/app/.venv/bin/python).\n")
    assert text.endswith("For detailed output, run func with --verbose flag.\n")


def test_verbose_needs_no_hint():
    assert "For detailed output" not in banner.render(SUMMARY, "plain", verbose=True)


def test_app_without_functions_is_said():
    assert "No functions were found." in banner.render(StartSummary(base_url=BASE), "compact")


def test_json_announcement_is_one_record():
    text = banner.render(SUMMARY, "json")
    assert text.count("\n") == 1
    record = json.loads(text)
    assert record["event"] == "started"
    assert record["base_url"] == BASE
    assert record["functions"][1]["methods"] == ["GET", "POST"]
