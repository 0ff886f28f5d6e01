"""Apps whose own code uses the storage account, with clients configured from the environment."""

from collections.abc import Callable

from host_process import HostProcess

from durable_host.storage.azurite import connection_string, free_connection

StartHost = Callable[..., HostProcess]

APP = """
import os

import azure.functions as func
from azure.core.exceptions import ServiceRequestError
from azure.storage.blob import BlobServiceClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
service = BlobServiceClient.from_connection_string(os.environ["MyStorage"], retry_total=0)
try:
    service.create_container("uploads")
except ServiceRequestError:
    print("no storage at import")


@app.route(route="containers")
def containers(req: func.HttpRequest) -> str:
    return ",".join(container.name for container in service.list_containers())
"""


def test_storage_that_code_uses_at_import_is_started_before(start_host: StartHost) -> None:
    settings = {"MyStorage": connection_string(free_connection()), "AzureWebJobsStorage": ""}
    host = start_host({"function_app.py": APP}, "--azurite", "auto", settings=settings)
    assert host.get("/api/containers").text == "uploads"
    assert host.stop() == 0


def test_storage_that_code_uses_and_nobody_may_start_is_reported(start_host: StartHost) -> None:
    settings = {"MyStorage": connection_string(free_connection()), "AzureWebJobsStorage": ""}
    host = start_host({"function_app.py": APP}, settings=settings)
    assert "The app's code reads 'MyStorage', but: " in host.output
    assert "no storage at import" in host.output
