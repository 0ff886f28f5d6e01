"""Connection strings with a shared access signature and only some endpoints."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.queue import AccountSasPermissions, QueueServiceClient, ResourceTypes, generate_account_sas
from host_process import HostProcess, until

from durable_host.config.connection import Connection

StartHost = Callable[..., HostProcess]

QUEUE_APP = """
import azure.functions as func

app = func.FunctionApp()


@app.queue_trigger(arg_name="msg", queue_name="sas-in", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="sas-out", connection="AzureWebJobsStorage")
def work(msg: func.QueueMessage, out: func.Out[str]) -> None:
    out.set(msg.get_body().decode() + "!")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick(timer: func.TimerRequest) -> None:
    pass


@app.route(route="reads", auth_level="anonymous")
@app.table_input(arg_name="rows", table_name="any", connection="AzureWebJobsStorage")
def reads(req: func.HttpRequest, rows: str) -> str:
    return rows
"""

DURABLE_APP = """
import azure.durable_functions as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def flow(context: df.DurableOrchestrationContext):
    return 1
"""


@pytest.fixture
def queue_only(azurite: Connection) -> str:
    """The connection string of a signature for the queue service, as the portal shows it."""
    assert azurite.account_key is not None
    signature = generate_account_sas(
        azurite.account_name,
        azurite.account_key,
        resource_types=ResourceTypes(service=True, container=True, object=True),
        permission=AccountSasPermissions.from_string("rwdlacup"),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"QueueEndpoint={azurite.queue_endpoint};SharedAccessSignature={signature}"


def test_an_app_runs_with_the_services_that_its_bindings_need(
    start_host: StartHost, queue_only: str, connection_string: str
) -> None:
    settings = {"AzureWebJobsStorage": queue_only, "AzureFunctionsJobHost__extensions__queues__messageEncoding": "none"}
    host = start_host({"function_app.py": QUEUE_APP}, "--enable-auth", settings=settings)
    with QueueServiceClient.from_connection_string(connection_string) as service:
        for name in ("sas-in", "sas-out"):
            if name not in [queue.name for queue in service.list_queues()]:
                service.create_queue(name)
        service.get_queue_client("sas-in").send_message("hello")
        done = service.get_queue_client("sas-out")
        until(done.peek_messages, host=host)
        assert [message.content for message in done.receive_messages()] == ["hello!"]
    assert "has no address for the table service" in host.output
    assert "SharedAccessSignature" not in host.output


def test_a_task_hub_says_which_service_it_misses(start_host: StartHost, queue_only: str) -> None:
    host = start_host({"function_app.py": DURABLE_APP}, settings={"AzureWebJobsStorage": queue_only}, wait=False)
    assert host.wait_exit(60) != 0
    assert "DH1102: The connection 'AzureWebJobsStorage' has no address for the table service" in host.output
