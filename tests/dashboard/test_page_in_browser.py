"""The dashboard's page in a real browser, on hosts with a hub in Azurite and in SQLite."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote
from uuid import uuid4

import pytest
from approvals_world import QUEUE, empty_queue
from browser_app import FAILING_LINE, FUNCTION_APP, HOST_JSON, SQLITE_HOST_JSON
from browser_world import Visitor, running_browser, start
from chromium import chromium
from host_process import HostProcess, hub_settings, until, write_app
from npm_packages import NpmPackages
from playwright.sync_api import Browser, Page, expect

# Installing the browser takes longer than a test may.
pytestmark = [pytest.mark.process, pytest.mark.timeout(400)]

VIOLATIONS = """axe.run().then(({violations}) => [
    ...violations.map(({id, nodes}) => `${id}: ${nodes[0].html}`),
    ...(document.documentElement.scrollWidth > innerWidth ? ['wider than the window'] : []),
])"""
HOSTILE = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser(chromium()) as running:
        yield running


@pytest.fixture(scope="module")
def host(browser: Browser, connection_string: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    """A host with its hub in Azurite. It starts only where there is a browser."""
    app = write_app(tmp_path_factory.mktemp("azurite"), {"function_app.py": FUNCTION_APP, "host.json": HOST_JSON})
    with empty_queue(connection_string, QUEUE), empty_queue(connection_string, f"{QUEUE}-poison"):
        running = HostProcess(app, hub_settings(connection_string))
        try:
            yield running.start()
        finally:
            running.end()


@pytest.fixture(scope="module")
def sqlite_host(
    browser: Browser, connection_string: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostProcess]:
    """A host with its hub in a file."""
    files = {"function_app.py": FUNCTION_APP, "host.json": SQLITE_HOST_JSON}
    settings = {**hub_settings(connection_string), "AzureWebJobs.ApprovalQueueProcessor.Disabled": "1"}
    running = HostProcess(write_app(tmp_path_factory.mktemp("sqlite"), files), settings)
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    visitor = Visitor(context)
    yield visitor
    context.close()
    assert visitor.problems == []


def waits_for(page: Page, event: str) -> None:
    region = page.get_by_role("region", name="What it waits for now")
    expect(region.get_by_role("listitem").get_by_text(event, exact=True)).to_be_visible()


def has_status(page: Page, status: str) -> None:
    expect(page.locator(".facts .status")).to_have_text(status)


def start_on_page(page: Page, name: str, data: str, instance_id: str = "") -> None:
    page.get_by_role("button", name="Start orchestration").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Orchestrator").fill(name)
    form.get_by_label("Input").fill(data)
    form.get_by_label("Instance ID").fill(instance_id)
    form.get_by_role("button", name="Start").click()
    expect(form).to_be_hidden()  # keys do nothing in a dialog


def test_an_approval_goes_from_its_start_to_the_decision(host: HostProcess, visitor: Visitor) -> None:
    page = visitor.visit(host, "functions")
    page.get_by_role("link", name="StartApproval").click()
    page.get_by_label("Route parameter item").fill("laptop")
    page.get_by_label("Body").fill('{"amount": 1800}')
    page.get_by_role("button", name="Send request").click()
    page.get_by_role("link", name="Open the instance").click()

    waits_for(page, "Approval")
    expect(page.get_by_role("region", name="What it waits for now")).to_contain_text("Time left 2 d 23:59")
    expect(page.get_by_label("Input", exact=True)).to_contain_text('"amount": 1800')
    expect(page.get_by_label("Event name")).to_have_value("Approval")
    page.get_by_label("Data", exact=True).fill('{"approved": true}')
    page.locator(".raise-inline").get_by_role("button", name="Raise event").click()

    has_status(page, "Completed")
    expect(page.get_by_label("Output", exact=True)).to_contain_text('"approved": true')
    page.get_by_role("tab", name="Timeline").click()
    expect(page.get_by_role("button", name="RequestApproval")).to_be_visible()
    page.get_by_role("tab", name="Sequence").click()
    expect(page.get_by_role("group", name="Sequence diagram")).to_contain_text("Approval")
    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_role("cell", name="Taken")).to_be_visible()


def test_an_approval_in_sqlite_is_started_and_decided(sqlite_host: HostProcess, visitor: Visitor) -> None:
    page = visitor.visit(sqlite_host, "instances")
    start_on_page(page, "BudgetApproval", '{"item": "chair"}')

    waits_for(page, "Approval")
    page.keyboard.press("e")
    page.get_by_role("dialog").get_by_label("Data").fill('"yes"')
    page.get_by_role("dialog").get_by_role("button", name="Raise event").click()
    has_status(page, "Completed")
    expect(page.get_by_label("Output", exact=True)).to_contain_text('"decision": "yes"')


def test_the_next_timer_fires_when_the_page_says_so(sqlite_host: HostProcess, visitor: Visitor) -> None:
    start(sqlite_host, "BudgetApproval", "impatient", {})
    page = visitor.visit(sqlite_host, "instances/impatient")
    page.get_by_role("button", name="Fire now").click()
    has_status(page, "Completed")
    expect(page.get_by_label("Output", exact=True)).to_contain_text("expired")


def test_a_failed_orchestration_leads_to_its_source_line(host: HostProcess, visitor: Visitor) -> None:
    start(host, "Ordering", "ordering-1", {"item": "desk"})
    page = visitor.visit(host, "instances?name=Ordering")
    expect(page.locator("tr[data-row=ordering-1]")).to_contain_text("Failed")
    page.get_by_role("tab", name="Failures").click()
    page.get_by_role("button", name=re.compile("The supplier has no desk")).click()
    page.get_by_role("link", name="ordering-1").click()

    failure = page.get_by_role("region", name="Failure")
    line = FUNCTION_APP[: FUNCTION_APP.index(FAILING_LINE)].count("\n") + 1
    expect(failure).to_contain_text("The supplier has no desk.")
    expect(failure).to_contain_text(f"function_app.py:{line}")
    expect(failure).to_contain_text(FAILING_LINE)


def test_the_ledger_shows_an_event_that_was_sent_too_early(host: HostProcess, visitor: Visitor) -> None:
    start(host, "TwoEvents", "early-1")
    page = visitor.visit(host, "instances/early-1")
    waits_for(page, "Go")
    page.get_by_label("Event name").fill("Approval")
    expect(page.get_by_text("The instance does not wait for this name now.")).to_be_visible()
    page.get_by_label("Data", exact=True).fill("1")
    page.locator(".raise-inline").get_by_role("button", name="Raise event").click()
    page.get_by_role("tab", name="Events").click()
    expect(page.get_by_role("row", name=re.compile("Approval"))).to_contain_text("Buffered")

    page.keyboard.press("e")
    expect(page.get_by_role("dialog").get_by_label("Event name")).to_have_value("Go")
    page.get_by_role("dialog").get_by_role("button", name="Raise event").click()
    has_status(page, "Completed")
    expect(page.get_by_role("row", name=re.compile("Approval"))).to_contain_text("Taken")


def test_selected_instances_are_purged_after_a_confirmation(host: HostProcess, visitor: Visitor) -> None:
    for number in range(3):
        start(host, "Quick", f"purged-{number}", {"number": number})
    page = visitor.visit(host, "instances?prefix=purged-&status=Completed")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Select all instances on this page").check()
    page.get_by_role("button", name="Purge", exact=True).click()
    page.get_by_role("button", name="Purge 3 instances").click()
    expect(page.get_by_text("Purge: 3 of 3 instances done.")).to_be_visible()
    expect(page.get_by_text("No instance matches")).to_be_visible()


def test_a_purge_by_age_and_status_counts_first(sqlite_host: HostProcess, visitor: Visitor) -> None:
    start(sqlite_host, "Quick", "aged", {})
    sqlite_host.wait_status("aged", "Completed")
    page = visitor.visit(sqlite_host, "hub")
    page.get_by_label("Age").select_option("Any age")
    page.get_by_role("button", name="Count them").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It cannot be undone.")
    assert sqlite_host.status("aged")["runtimeStatus"] == "Completed"
    dialog.get_by_role("button", name=re.compile("Purge .* instance")).click()
    expect(page.get_by_text(re.compile("instances? purged"))).to_be_visible()
    assert until(lambda: sqlite_host.get("/runtime/webhooks/durabletask/instances/aged").status_code == 404)


def test_a_signal_changes_an_entity_and_the_page_shows_it(host: HostProcess, visitor: Visitor) -> None:
    host.post("/runtime/webhooks/durabletask/entities/Counter/laptops?op=add", json="2")
    page = visitor.visit(host, "entities")
    page.get_by_role("link", name="laptops").click()
    details = page.get_by_role("complementary")
    expect(details.get_by_label("State", exact=True)).to_have_text("2")
    details.get_by_label("Operation").fill("add")
    details.get_by_label("Input").fill('"5"')
    details.get_by_role("button", name="Send signal").click()
    expect(details.get_by_label("State", exact=True)).to_have_text("7")


def test_a_poison_message_is_put_back_and_succeeds(host: HostProcess, visitor: Visitor) -> None:
    late = f"late-{uuid4().hex[:8]}"
    page = visitor.visit(host, f"queues?instance={late}")
    expect(page.get_by_label("Text", exact=True)).to_have_value(late)
    page.get_by_role("button", name="Put message").click()
    page.get_by_role("link", name=f"{QUEUE}-poison").click()
    expect(page.get_by_label(re.compile("Text of message"))).to_have_text(late)

    start(host, "BudgetApproval", late, {})
    page.get_by_role("button", name="Put all back").click()
    page.get_by_role("dialog").get_by_role("button", name="Put back").click()
    expect(page.get_by_text(f"1 message put back on {QUEUE}.")).to_be_visible()
    visitor.visit(host, f"instances/{late}")
    has_status(page, "Completed")
    expect(page.get_by_label("Output", exact=True)).to_contain_text("queue")


def test_markup_in_an_instance_id_is_shown_as_text(host: HostProcess, visitor: Visitor) -> None:
    page = visitor.visit(host, "instances")
    start_on_page(page, "Quick", f'"{HOSTILE}"', HOSTILE.replace("/", ""))
    expect(page.locator(".fact-id")).to_contain_text("<img src=x onerror=window.hacked=1>")
    expect(page.get_by_label("Input", exact=True)).to_have_text(f'"{HOSTILE}"')
    visitor.visit(host, f"instances?prefix={quote('<img')}")
    expect(page.get_by_role("link", name=re.compile("onerror"))).to_be_visible()
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.hacked") is None


def test_a_page_of_another_origin_can_neither_read_nor_act(host: HostProcess, browser: Browser) -> None:
    start(host, "TwoEvents", "guarded")

    class Foreign(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<p>a page of another port</p>")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        script = """async ([url, options]) => {
            try { return await (await fetch(url, options)).text(); } catch (error) { return 'refused'; }
        }"""
        api = f"{host.base_url}/_df/api"
        assert page.evaluate(script, [f"{api}/session", {}]) == "refused"
        act = {"method": "POST", "mode": "no-cors", "body": "{}"}
        page.evaluate(script, [f"{api}/instances/guarded/terminate", act])
        answer = host.post("/_df/api/instances/guarded/terminate", headers={"Origin": page.evaluate("origin")}, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "DH3050")
        page.set_content(f"<iframe src='{host.base_url}/_df/'></iframe>")
        assert all("Durable" not in (frame.title() or "") for frame in page.frames)
        assert host.status("guarded")["runtimeStatus"] in {"Pending", "Running"}
    finally:
        context.close()
        server.shutdown()
        server.server_close()


def test_a_new_instance_appears_without_reloading(host: HostProcess, visitor: Visitor) -> None:
    name = f"live-{uuid4().hex[:8]}"
    page = visitor.visit(host, f"instances?prefix={name}")
    expect(page.get_by_text("No instance matches")).to_be_visible()
    start(host, "TwoEvents", name)
    expect(page.locator(f"tr[data-row={name}]")).to_contain_text("Running")
    host.post(f"/runtime/webhooks/durabletask/instances/{name}/terminate?reason=test")
    expect(page.locator(f"tr[data-row={name}]")).to_contain_text("Terminated")


def test_a_lost_connection_is_shown_and_restored(host: HostProcess, visitor: Visitor) -> None:
    page = visitor.page
    page.route("**/_df/api/changes*", lambda route: route.abort())
    visitor.visit(host, "instances")
    expect(page.locator(".connection")).to_contain_text("Offline")
    page.unroute("**/_df/api/changes*")
    expect(page.locator(".connection")).to_contain_text("Live")


def test_keys_search_move_select_and_open(host: HostProcess, visitor: Visitor) -> None:
    for number in range(2):
        start(host, "Quick", f"keys-{number}", {})
    page = visitor.visit(host, "instances?sort=id")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("keys-")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("prefix=keys-"))
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("Escape")
    for key in ("j", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("1 instance selected")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/instances/keys-1$"))
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page).to_have_url(re.compile("/_df/hub$"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_theme_is_kept(host: HostProcess, visitor: Visitor) -> None:
    page = visitor.visit(host, "hub")
    page.get_by_role("button", name="Use the dark theme").click()
    page.reload()
    expect(page.get_by_role("button", name="Use the light theme")).to_be_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_json_is_indented_and_long_numbers_are_not_rounded(host: HostProcess, visitor: Visitor) -> None:
    page = visitor.visit(host, "hub")
    shown = page.evaluate(
        "async (text) => (await import('/_df/assets/core/format.js')).prettyJson(text)",
        '{"id":12345678901234567890,"none":[],"text":"a {\\"b\\": [1]}"}',
    )
    assert shown == '{\n  "id": 12345678901234567890,\n  "none": [],\n  "text": "a {\\"b\\": [1]}"\n}'


def test_a_fan_out_is_one_row_that_can_be_opened(host: HostProcess, visitor: Visitor) -> None:
    page = visitor.visit(host, "hub")
    counts = page.evaluate(
        """async () => {
            const { rowsOf } = await import('/_df/assets/views/timeline_rows.js');
            const bar = (n) => ({ id: String(n), kind: 'activity', name: 'Work', start: '2026' });
            const bars = Array.from({ length: 200 }, (_, n) => bar(n));
            return [rowsOf(bars, new Set()).length, rowsOf(bars, new Set(['activity Work'])).length];
        }"""
    )
    assert counts == [1, 201]


def test_a_narrow_window_hides_nothing(host: HostProcess, browser: Browser) -> None:
    """The page does not scroll sideways, and no heading of a table covers another: tables scroll in their boxes."""
    start(host, "TwoEvents", "narrow")
    host.post("/runtime/webhooks/durabletask/entities/Counter/narrow?op=add", json="2")
    views = {
        "instances": ".table-instances tbody tr",
        "instances/narrow": ".wait",
        "instances/narrow/history": ".virtual-space .virtual-row",
        "entities": ".table-entities tbody tr",
        "queues": ".table-queues tbody tr",
        "functions": ".table-functions tbody tr",
        "hub": ".tiles",
    }
    with browser.new_context(viewport={"width": 400, "height": 900}) as context:
        page = Visitor(context).page
        for view, there in views.items():
            page.goto(f"{host.base_url}/_df/{view}")
            page.locator(there).first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") == 400, view
            widths = page.evaluate(
                "[...document.querySelectorAll('th')].filter((one) => one.offsetParent).map((one) => one.clientWidth)"
            )
            assert all(width >= 30 for width in widths), (view, widths)


def test_every_view_is_accessible_in_both_themes(
    host: HostProcess, browser: Browser, npm_packages: NpmPackages
) -> None:
    """Checked with axe-core, in the narrowest window that the page supports."""
    axe = (npm_packages.modules("dashboard") / "axe-core" / "axe.min.js").read_text("utf-8")
    start(host, "TwoEvents", "looked-at")
    start(host, "Ordering", "looked-at-failed", {"item": "desk"})
    host.post("/runtime/webhooks/durabletask/instances/looked-at/raiseEvent/approval", json=1)
    host.post("/runtime/webhooks/durabletask/entities/Counter/looked-at?op=add", json="2")
    host.wait_status("looked-at-failed", "Failed")
    views = {
        "instances": ".table-instances tbody tr",
        "instances?view=failures": ".group",
        "instances?prefix=nothing-begins-so": ".empty",
        "instances/there-is-none": ".empty",
        "instances/looked-at": ".wait",
        "instances/looked-at-failed": ".frames",
        "instances/looked-at-failed/timeline": ".bars",
        "instances/looked-at-failed/sequence": ".arrow",
        "instances/looked-at/history?event=0": ".details",
        "instances/looked-at/events": ".fate",
        "instances/looked-at-failed/logs": ".tab-panel > *",
        "compare?a=looked-at&b=looked-at-failed": ".table-compare",
        "entities/counter/looked-at": ".payload",
        f"queues/{QUEUE}": ".details",
        "functions/StartApproval": ".try-url",
        "hub": ".tiles",
    }
    dialogs = {"instances": "?", "instances/looked-at": "e"}
    found: list[str] = []
    for theme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 1024, "height": 768},
            color_scheme=theme,
            reduced_motion="reduce",
        )
        visitor = Visitor(context)
        for view, shown in views.items():
            page = visitor.visit(host, view)
            expect(page.locator(shown).first).to_be_visible()
            page.evaluate(f"{axe};0")
            found += [f"{theme} {view}: {violation}" for violation in page.evaluate(VIOLATIONS)]
            if opening := dialogs.get(view):
                page.keyboard.press(opening)
                expect(page.get_by_role("dialog")).to_be_visible()
                found += [f"{theme} {view}, dialog: {violation}" for violation in page.evaluate(VIOLATIONS)]
        context.close()
        assert visitor.problems == []
    assert found == []
