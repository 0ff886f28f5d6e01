"""`func start --enable-auth` and its keys.

Source: docs/protocol/functions-host-http.md#access-with-keys, docs/protocol/functions-host-admin.md#key-endpoints
"""

import json
from collections.abc import Callable, Iterator

import pytest
from azure.storage.blob import BlobServiceClient
from host_process import HostProcess, hub_settings, write_app

StartHost = Callable[..., HostProcess]

APP = """
import azure.functions as func
import azure.durable_functions as df

app = func.FunctionApp()


@app.route(route="anybody", auth_level=func.AuthLevel.ANONYMOUS)
def anybody(req: func.HttpRequest) -> str:
    return "anybody"


@app.route(route="caller", auth_level=func.AuthLevel.FUNCTION)
def caller(req: func.HttpRequest) -> str:
    return "caller"


@app.route(route="other")
def other(req: func.HttpRequest) -> str:
    return "other"


@app.route(route="boss", auth_level=func.AuthLevel.ADMIN)
def boss(req: func.HttpRequest) -> str:
    return "boss"


@app.route(route="off", auth_level=func.AuthLevel.ANONYMOUS)
def off(req: func.HttpRequest) -> str:
    return "off"


@app.route(route="start", auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> func.HttpResponse:
    return client.create_check_status_response(req, await client.start_new("done"))


@app.orchestration_trigger(context_name="context")
def done(context: df.DurableOrchestrationContext):
    return "done"
"""
HOST_ID = "keys-test"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, connection_string: str) -> Iterator[HostProcess]:
    settings = {
        **hub_settings(connection_string),
        "AzureFunctionsWebHost__hostid": HOST_ID,
        "AzureWebJobs.off.Disabled": "1",
    }
    host = HostProcess(write_app(tmp_path_factory.mktemp("keys"), {"function_app.py": APP}), settings)
    yield host.start("--enableAuth")
    host.end()


@pytest.fixture(scope="module")
def stored(connection_string: str) -> Callable[[str], dict]:
    """A stored document of keys."""
    service = BlobServiceClient.from_connection_string(connection_string)

    def read(name: str) -> dict:
        blob = service.get_blob_client("azure-webjobs-secrets", f"{HOST_ID}/{name}.json")
        return json.loads(blob.download_blob().readall())

    return read


@pytest.fixture(scope="module")
def master(host: HostProcess, stored: Callable[[str], dict]) -> str:
    return stored("host")["masterKey"]["value"]


def code(key: str) -> dict[str, str]:
    return {"x-functions-key": key}


def test_keys_are_in_storage_as_azure_keeps_them(host: HostProcess, stored: Callable[[str], dict]) -> None:
    assert host.get("/api/caller", headers=code("wrong")).status_code == 401
    document = stored("host")
    assert set(document) >= {"masterKey", "functionKeys", "systemKeys", "hostName", "instanceId", "source"}
    assert [key["name"] for key in document["functionKeys"]] == ["default"]
    assert "durabletask_extension" in [key["name"] for key in document["systemKeys"]]
    keys = [document["masterKey"], *document["functionKeys"], *document["systemKeys"], *stored("caller")["keys"]]
    for key in keys:
        assert len(key["value"]) == 56
        assert "AzFu" in key["value"]
        assert key["encrypted"] is False
    assert len({key["value"] for key in keys}) == len(keys)


def test_each_level_takes_the_keys_of_its_own_and_higher_levels(
    host: HostProcess, stored: Callable[[str], dict], master: str
) -> None:
    assert host.get("/api/anybody").text == "anybody"
    for path in ("caller", "other", "boss"):
        refused = host.get(f"/api/{path}")
        assert (refused.status_code, refused.content) == (401, b"")
    host_key = stored("host")["functionKeys"][0]["value"]
    assert host.get("/api/caller", headers=code("x")).status_code == 401
    own_key = stored("caller")["keys"][0]["value"]
    system_key = stored("host")["systemKeys"][0]["value"]
    for key in (host_key, own_key, master):
        assert host.get(f"/api/caller?code={key}").text == "caller"
        assert host.get("/api/caller", headers=code(key)).text == "caller"
    assert host.get(f"/api/other?code={own_key}").status_code == 401
    assert host.get(f"/api/caller?code={system_key}").status_code == 401
    for key in (host_key, own_key, system_key):
        assert host.get(f"/api/boss?code={key}").status_code == 401
    assert host.get(f"/api/boss?code={master}").text == "boss"


def test_admin_routes_need_the_master_key(host: HostProcess, stored: Callable[[str], dict], master: str) -> None:
    for path in ("/admin/host/status", "/admin/functions", "/admin/host/keys", "/admin/functions/caller/keys"):
        assert host.get(path).status_code == 401
        assert host.get(path, headers=code(stored("host")["functionKeys"][0]["value"])).status_code == 403
        assert host.get(path, headers=code(master)).status_code == 200
    assert host.get("/admin/host/ping").status_code == 200
    assert host.post("/admin/functions/caller", json={}).status_code == 401
    assert host.post("/admin/functions/caller", json={}, headers=code(master)).status_code == 202


def test_a_disabled_function_is_there_for_administrators_only(host: HostProcess, master: str) -> None:
    assert host.get("/api/off").status_code == 404
    assert host.get(f"/api/off?code={master}").text == "off"


def test_management_urls_carry_the_system_key_and_without_it_they_are_refused(host: HostProcess, master: str) -> None:
    told = host.get("/api/start").json()
    url = told["statusQueryGetUri"]
    assert "&code=" in url
    assert host.get(url).status_code in (200, 202)
    assert host.get(url.partition("&code=")[0]).status_code == 401
    assert host.get(url.partition("&code=")[0] + f"&code={master}").status_code in (200, 202)
    assert host.get("/runtime/webhooks/durabletask/instances").status_code == 401


def test_keys_are_created_rolled_and_deleted(host: HostProcess, master: str) -> None:
    def ask(method: str, path: str, **options: object) -> tuple[int, dict]:
        response = host.request(method, path, headers=code(master), **options)
        return response.status_code, response.json() if response.content else {}

    status, made = ask("PUT", "/admin/functions/caller/keys/mine", json={"name": "mine", "value": "my-own-key"})
    assert (status, made["name"], made["value"]) == (201, "mine", "my-own-key")
    assert made["links"] == [{"rel": "self", "href": f"{host.base_url}/admin/functions/caller/keys/mine"}]
    assert host.get("/api/caller?code=my-own-key").status_code == 200
    assert host.get("/api/other?code=my-own-key").status_code == 401
    assert ask("PUT", "/admin/functions/caller/keys/mine", json={"value": "another"})[0] == 200
    assert host.get("/api/caller?code=my-own-key").status_code == 401
    status, rolled = ask("POST", "/admin/functions/caller/keys/mine")
    assert status == 200
    assert len(rolled["value"]) == 56
    listed = ask("GET", "/admin/functions/caller/keys")[1]["keys"]
    assert {"name": "mine", "value": rolled["value"]} in listed
    assert ask("DELETE", "/admin/functions/caller/keys/mine")[0] == 204
    assert ask("DELETE", "/admin/functions/caller/keys/mine")[0] == 404
    assert ask("GET", "/admin/functions/caller/keys/mine")[0] == 404

    assert ask("POST", "/admin/host/functionkeys/shared")[0] == 201
    shared = ask("GET", "/admin/host/keys/shared")[1]["value"]
    assert host.get(f"/api/other?code={shared}").text == "other"
    assert ask("POST", "/admin/host/systemkeys/my_extension")[0] == 201
    names = [key["name"] for key in ask("GET", "/admin/host/systemkeys")[1]["keys"]]
    assert "my_extension" in names
    assert ask("GET", "/admin/host/systemkeys/_master")[1]["value"] == master
    assert ask("DELETE", "/admin/host/keys/_master")[0] == 400
    assert host.request("PUT", "/admin/host/keys/bad", headers=code(master), data="{").status_code == 400
    assert ask("GET", "/admin/functions/nobody/keys")[0] == 404
    assert ask("PATCH", "/admin/host/keys/shared")[0] == 404


def test_a_key_that_another_host_has_made_is_known_at_once(
    host: HostProcess, connection_string: str, stored: Callable[[str], dict]
) -> None:
    host.get("/api/other", headers=code("x"))
    document = stored("other")
    document["keys"].append({"name": "elsewhere", "value": "made-elsewhere", "encrypted": False})
    service = BlobServiceClient.from_connection_string(connection_string)
    blob = service.get_blob_client("azure-webjobs-secrets", f"{HOST_ID}/other.json")
    blob.upload_blob(json.dumps(document), overwrite=True)
    from host_process import until

    until(lambda: host.get("/api/other?code=made-elsewhere").status_code == 200)


def test_without_the_flag_nobody_needs_keys_and_they_can_still_be_listed(
    start_host: StartHost, connection_string: str
) -> None:
    host = start_host({"function_app.py": APP}, settings={"AzureFunctionsWebHost__hostid": "keys-without"})
    assert host.get("/api/boss").text == "boss"
    assert host.get("/api/caller?code=wrong").text == "caller"
    url = host.get("/api/start").json()["statusQueryGetUri"]
    assert "&code=" in url
    assert host.get(url.partition("&code=")[0]).status_code in (200, 202)
    assert len(host.get("/admin/host/keys").json()["keys"]) == 1
    assert host.get("/admin/functions/caller/keys/default").json()["value"]


def test_keys_are_in_files_where_that_is_asked_for(start_host: StartHost, tmp_path) -> None:
    app = APP.partition('@app.route(route="start"')[0]
    settings = {
        "AzureWebJobsSecretStorageType": "files",
        "AzureFunctionsWebHost__hostid": "keys-files",
        "TMPDIR": str(tmp_path),
    }
    host = start_host({"function_app.py": app}, "--enable-auth", settings=settings)
    assert host.get("/api/caller").status_code == 401
    host.get("/api/caller", headers=code("x"))
    [file] = tmp_path.glob("durable-host-*/secrets/keys-files/host.json")
    key = json.loads(file.read_text())["functionKeys"][0]["value"]
    assert host.get(f"/api/caller?code={key}").text == "caller"
    assert (file.parent.stat().st_mode & 0o077) == 0


def test_encrypted_keys_of_another_host_are_reported_and_nobody_gets_in(
    start_host: StartHost, connection_string: str
) -> None:
    service = BlobServiceClient.from_connection_string(connection_string)
    blob = service.get_blob_client("azure-webjobs-secrets", "keys-encrypted/host.json")
    secret = {
        "masterKey": {"name": "master", "value": "CfDJ8", "encrypted": True},
        "functionKeys": [],
        "systemKeys": [],
    }
    blob.upload_blob(json.dumps(secret), overwrite=True)
    app = APP.partition('@app.route(route="start"')[0]
    settings = {"AzureFunctionsWebHost__hostid": "keys-encrypted"}
    host = start_host({"function_app.py": app}, "--enable-auth", settings=settings)
    assert host.get("/api/caller?code=CfDJ8").status_code == 503
    host.wait_for("keys of the host cannot be used")
    assert host.get("/api/anybody").text == "anybody"
