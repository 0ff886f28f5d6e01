"""Sub-orchestrations: set up many devices in parallel, each with its own orchestration, which can be retried.

`POST /api/devices` with `{"devices": ["lamp", "door"]}`.
"""

# ruff: noqa: N802 - the names are those of functions as Azure shows them

import azure.durable_functions as df
import azure.functions as func

from functions.json_input import json_object, refusal, texts

sub_orchestrations = df.Blueprint()

RETRY = df.RetryOptions(first_retry_interval_in_milliseconds=500, max_number_of_attempts=3)


@sub_orchestrations.route(route="devices", methods=["POST"])
@sub_orchestrations.durable_client_input(client_name="client")
async def SetUpDevices(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    try:
        devices = texts(json_object(req), "devices")
    except ValueError as error:
        return refusal(error)
    instance_id = await client.start_new("SetUpAllDevices", client_input=devices)
    return client.create_check_status_response(req, instance_id)


@sub_orchestrations.orchestration_trigger(context_name="context")
def SetUpAllDevices(context: df.DurableOrchestrationContext):
    """Run one child per device in parallel. A child that fails is retried, up to three times."""
    devices = list(dict.fromkeys(context.get_input()))
    tasks = [context.call_sub_orchestrator_with_retry("SetUpDevice", RETRY, device) for device in devices]
    addresses = (yield context.task_all(tasks)) if tasks else []
    return dict(zip(devices, addresses, strict=True))


@sub_orchestrations.orchestration_trigger(context_name="context")
def SetUpDevice(context: df.DurableOrchestrationContext):
    device = context.get_input()
    address = yield context.call_activity("FindDevice", device)
    yield context.call_activity("InstallFirmware", address)
    return address


@sub_orchestrations.activity_trigger(input_name="device")
def FindDevice(device: str) -> str:
    if device.startswith("broken"):
        raise RuntimeError(f"the device '{device}' does not answer")
    return f"{device}.local"


@sub_orchestrations.activity_trigger(input_name="address")
def InstallFirmware(address: str) -> str:
    return address
