"""Queues of an app with the 2.x SDK, in memory and in virtual time."""

from datetime import timedelta
from pathlib import Path

from v2_environment import v2_interpreter

from durable_host.testing import FunctionApp

APP = """
import azure.durable_functions as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.orchestration_trigger(context_name="context")
def approval(context):
    decision = yield context.wait_for_external_event("Approval")
    return decision


@app.queue_trigger(arg_name="message", queue_name="approval-queue", connection="AzureWebJobsStorage")
@app.durable_client_input(client_name="client")
@app.blob_output(arg_name="note", path="notes/approved.txt", connection="AzureWebJobsStorage")
async def approve(message: func.QueueMessage, client, note: func.Out[str]):
    await client.raise_event(message.get_body().decode(), "Approval", event_data={"by": "queue"})
    note.set("approved")
"""


def test_a_message_that_becomes_visible_after_days_approves(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    with FunctionApp(tmp_path, python=v2_interpreter()) as app:
        instance = app.start("approval").wait_until(waiting_for="Approval")
        before = app.now
        app.queue("approval-queue").send(instance.id, visible_after=timedelta(days=6))
        assert instance.wait().output == {"by": "queue"}
        assert app.now - before == timedelta(days=6)
        assert app.container("notes").download("approved.txt") == b"approved"
