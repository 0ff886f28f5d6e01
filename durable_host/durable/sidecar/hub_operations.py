"""Operations on a whole task hub."""

from durable_host.durable.proto import pb
from durable_host.durable.sidecar.served_hubs import ServedHubs
from durable_host.durable.sidecar.sidecar_call import SidecarCall
from durable_host.durable.sidecar.statuses import CallRefused
from durable_host.grpc_port import StatusCode


async def create(call: SidecarCall, request: pb.CreateTaskHubRequest) -> pb.CreateTaskHubResponse:
    """Create the task hub, if it does not exist."""
    if request.recreateIfExists and await call.client.hub.exists():
        raise _not_deleted(call)
    await call.client.hub.create()
    return pb.CreateTaskHubResponse()


async def delete(call: SidecarCall, request: pb.DeleteTaskHubRequest) -> pb.DeleteTaskHubResponse:
    """Refuse to delete the task hub, because a host may serve it and would lose its work in progress."""
    raise _not_deleted(call)


async def create_served(hubs: ServedHubs, name: str, request: pb.CreateTaskHubRequest) -> pb.CreateTaskHubResponse:
    """Create a task hub and serve it. With `recreateIfExists` it loses its data."""
    if request.recreateIfExists:
        await hubs.delete(name)
    await hubs.open(name, creates=True)
    return pb.CreateTaskHubResponse()


async def delete_served(hubs: ServedHubs, name: str, request: pb.DeleteTaskHubRequest) -> pb.DeleteTaskHubResponse:
    """Delete a task hub that only this host works on."""
    await hubs.delete(name)
    return pb.DeleteTaskHubResponse()


def _not_deleted(call: SidecarCall) -> CallRefused:
    name = call.client.hub.name
    return CallRefused(
        StatusCode.FAILED_PRECONDITION,
        f"The task hub '{name}' cannot be deleted while hosts are running. Stop them, then run: "
        f"func durable delete-task-hub --task-hub-name {name}",
    )
