"""Who may use the dashboard, and what every response has."""

import json

import pytest
from dashboard_world import DashboardWorld, dashboard_world

from durable_host.dashboard import page
from durable_host.dashboard.dashboard_routes import ROOT, TOKEN_HEADER

SESSION = f"{ROOT}/api/session"
FOREIGN_CALLERS = {
    "page of another site": {"Origin": "https://example.com"},
    "page of another port": {"Origin": "http://localhost:3000"},
    "sandboxed page": {"Origin": "null"},
    "image on another site": {"Sec-Fetch-Site": "cross-site"},
    "image on another port": {"Sec-Fetch-Site": "same-site"},
    "rebound name": {"Host": "attacker.example"},
}
PATHS = ["/_df", "/_df/", "/_df/instances/x", "/_df/assets/none.js", "/_df/openapi.json", SESSION]


async def test_the_session_describes_the_hub_and_has_the_token(small: DashboardWorld) -> None:
    session = (await small.get("/session")).json
    assert session["hub"] == {"name": small.hub.name, "storage": "sqlite", "account": ":memory:", "isDevelopment": True}
    assert (session["token"], session["isReadOnly"], session["app"]) == (small.token, False, None)
    assert session["canFireTimers"]


async def test_a_read_only_dashboard_has_no_token() -> None:
    async with dashboard_world(":memory:", is_read_only=True) as world:
        session = (await world.get("/session")).json
        shell = await world.request("GET", f"{ROOT}/")
    assert session["token"] is None
    assert session["isReadOnly"]
    assert not session["canFireTimers"]
    assert world.token.encode() not in shell.body


async def test_the_shell_has_the_token(small: DashboardWorld) -> None:
    shell = await small.request("GET", f"{ROOT}/")
    assert f'name="df-token" content="{small.token}"'.encode() in shell.body


@pytest.mark.parametrize("headers", FOREIGN_CALLERS.values(), ids=FOREIGN_CALLERS)
@pytest.mark.parametrize("path", PATHS)
async def test_foreign_callers_are_refused(small: DashboardWorld, path: str, headers: dict[str, str]) -> None:
    answer = await small.request("GET", path, headers=headers)
    assert (answer.status, answer.code) == (403, "DH3050")
    assert small.token.encode() not in answer.body


async def test_the_page_itself_is_not_a_stranger(small: DashboardWorld) -> None:
    headers = {"Origin": small.origin, "Sec-Fetch-Site": "same-origin"}
    assert (await small.request("GET", SESSION, headers=headers)).status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_every_response_forbids_foreign_scripts_and_frames(small: DashboardWorld, path: str) -> None:
    headers = (await small.request("GET", path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/_df/", "/_df/instances", "/_df/instances/a%2Fb", "/_df/queues", "/_df/whatever"])
async def test_other_paths_give_the_page(small: DashboardWorld, path: str) -> None:
    answer = await small.request("GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_path_without_slash_redirects(small: DashboardWorld) -> None:
    answer = await small.request("GET", ROOT)
    assert (answer.status, answer.headers["Location"]) == (302, "/_df/")


async def test_an_asset_is_sent_again_only_when_it_changed(
    small: DashboardWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = page.Asset(b"export {}", "text/javascript", '"abc"')
    monkeypatch.setattr(small.dashboard._page, "_assets", {"a/b.js": known})
    first = await small.request("GET", "/_df/assets/a/b.js")
    assert (first.status, first.body, first.headers["ETag"]) == (200, b"export {}", '"abc"')
    assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
    again = await small.request("GET", "/_df/assets/a/b.js", headers={"If-None-Match": '"abc"'})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("name", ["none.js", "../page.py", "%2e%2e/page.py", "..%2fpage.py", "index.html", ""])
async def test_only_the_files_of_the_page_are_assets(small: DashboardWorld, name: str) -> None:
    answer = await small.request("GET", f"/_df/assets/{name}")
    assert b"import" not in answer.body
    assert answer.status == 404 or answer.headers["Content-Type"].startswith("text/html")


ACTION = f"{ROOT}/api/batch"
BATCH = json.dumps({"action": "purge", "ids": []})


@pytest.mark.parametrize("headers", [{}, {TOKEN_HEADER: ""}, {TOKEN_HEADER: "x" * 43}, {"X-Token": "other"}])
async def test_an_action_needs_the_token(small: DashboardWorld, headers: dict[str, str]) -> None:
    answer = await small.request("POST", ACTION, data=BATCH, headers=headers)
    assert (answer.status, answer.code) == (403, "DH3051")


async def test_an_action_with_the_token_from_a_foreign_page_is_refused(small: DashboardWorld) -> None:
    headers = {TOKEN_HEADER: small.token, "Origin": "http://localhost:3000"}
    assert (await small.request("POST", ACTION, data=BATCH, headers=headers)).code == "DH3050"


async def test_a_read_only_dashboard_refuses_actions() -> None:
    async with dashboard_world(":memory:", is_read_only=True) as world:
        answer = await world.do("POST", "/batch", {"action": "purge", "ids": []})
    assert (answer.status, answer.code) == (403, "DH3052")


async def test_a_path_with_another_method_is_405(small: DashboardWorld) -> None:
    assert (await small.do("DELETE", "/session")).status == 405
    assert (await small.request("POST", f"{ROOT}/")).status == 405


async def test_an_unknown_path_is_404(small: DashboardWorld) -> None:
    answer = await small.get("/none")
    assert (answer.status, answer.code) == (404, "DH3054")
    assert answer.json["error"]["remedy"]


BODIES = ["{", "[]", '{"action": "purge"}', '{"action": "dance", "ids": []}', '{"ids": [], "action": "purge", "x": 1}']


@pytest.mark.parametrize("body", [*BODIES, "[" * 100_000, '"\\ud800"'])
async def test_a_body_that_is_not_valid_is_400(small: DashboardWorld, body: str) -> None:
    answer = await small.request("POST", ACTION, data=body, headers={TOKEN_HEADER: small.token})
    assert (answer.status, answer.code) == (400, "DH3053")


async def test_a_path_that_is_not_utf_8_is_400(small: DashboardWorld) -> None:
    assert (await small.get("/instances/%ff")).status in (400, 404)


@pytest.mark.parametrize("query", ["none=1", "top=many", "top=-1", "top=10&top=20", "sort=none"])
async def test_a_query_that_is_not_valid_is_400(small: DashboardWorld, query: str) -> None:
    answer = await small.request("GET", f"{ROOT}/api/instances?{query}")
    assert (answer.status, answer.code) == (400, "DH3053")
