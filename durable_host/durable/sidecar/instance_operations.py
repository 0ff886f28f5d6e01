"""Operations on one instance: start, get, wait, send, restart."""

from durable_host.durable.api.errors import InstanceEnded, InstanceNotFound
from durable_host.durable.model import identity
from durable_host.durable.model.events import SubOrchestrationInstanceCreated
from durable_host.durable.model.instance import InstanceState
from durable_host.durable.proto import pb
from durable_host.durable.sdk.v2_values import read_trace, text_of
from durable_host.durable.sidecar.request_fields import optional_ticks, statuses_of, words_of
from durable_host.durable.sidecar.sidecar_call import SidecarCall
from durable_host.durable.sidecar.states import orchestration_state
from durable_host.durable.sidecar.statuses import CallRefused
from durable_host.grpc_port import StatusCode

LONGEST_INSTANCE_ID = 100
"""In characters, as in Azure. The IDs that an SDK generates for children may be longer."""

_POLL_SECONDS = 1.0
_NOT_RUNNING = "The orchestration instance with the provided instance id is not running."


async def start(call: SidecarCall, request: pb.CreateInstanceRequest) -> pb.CreateInstanceResponse:
    if not request.name:
        raise CallRefused(StatusCode.INVALID_ARGUMENT, "The name of the orchestrator is missing.")
    if len(request.instanceId) > LONGEST_INSTANCE_ID:
        text = f"Instance ID lengths must not exceed {LONGEST_INSTANCE_ID} characters."
        raise CallRefused(StatusCode.INVALID_ARGUMENT, text)
    replaceable = None
    if request.HasField("orchestrationIdReusePolicy"):
        replaceable = statuses_of(request.orchestrationIdReusePolicy.replaceableStatus)
    instance_id = await call.client.start(
        request.name,
        instance_id=request.instanceId or None,
        input=words_of(request, "input"),
        version=words_of(request, "version"),
        scheduled_start=optional_ticks(request, "scheduledStartTimestamp"),
        trace=read_trace(request),
        tags=dict(request.tags) or None,
        replaceable=replaceable,
    )
    return pb.CreateInstanceResponse(instanceId=instance_id)


async def get(call: SidecarCall, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
    with_payloads = request.getInputsAndOutputs
    state = await call.client.get(request.instanceId, fetch_input=with_payloads, fetch_output=with_payloads)
    return await _answer(call, state, with_payloads)


async def wait_for_start(call: SidecarCall, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
    """Wait until the instance has started, even if it does not exist yet. The caller's deadline ends the wait."""
    await call.client.wait_until_started(request.instanceId, _POLL_SECONDS)
    return await get(call, request)


async def wait_for_completion(call: SidecarCall, request: pb.GetInstanceRequest) -> pb.GetInstanceResponse:
    """Wait until the instance has ended. The caller's deadline ends the wait."""
    state = await call.client.wait_for_completion(request.instanceId, None, _POLL_SECONDS)
    return await _answer(call, state, request.getInputsAndOutputs)


async def raise_event(call: SidecarCall, request: pb.RaiseEventRequest) -> pb.RaiseEventResponse:
    if not request.name:
        raise CallRefused(StatusCode.INVALID_ARGUMENT, "The name of the event is missing.")
    try:
        await call.client.raise_event(request.instanceId, request.name, words_of(request, "input"))
    except InstanceEnded:
        if call.options.throw_status_exceptions_on_raise_event is not False:
            raise CallRefused(StatusCode.FAILED_PRECONDITION, _NOT_RUNNING) from None
    except InstanceNotFound:
        if call.options.throw_status_exceptions_on_raise_event is not False:
            raise
    return pb.RaiseEventResponse()


async def terminate(call: SidecarCall, request: pb.TerminateRequest) -> pb.TerminateResponse:
    """Terminate an instance. One that has ended is not an error, because clients only expect NOT_FOUND."""
    reason = text_of(request, "output")
    try:
        await call.client.terminate(request.instanceId, reason, recurse=request.recursive)
    except InstanceEnded:
        return pb.TerminateResponse()
    if request.recursive and not call.is_own_hub:
        await _terminate_children(call, request.instanceId, reason)  # The hub's host may not do it.
    return pb.TerminateResponse()


async def suspend(call: SidecarCall, request: pb.SuspendRequest) -> pb.SuspendResponse:
    await call.client.suspend(request.instanceId, text_of(request, "reason"))
    return pb.SuspendResponse()


async def resume(call: SidecarCall, request: pb.ResumeRequest) -> pb.ResumeResponse:
    await call.client.resume(request.instanceId, text_of(request, "reason"))
    return pb.ResumeResponse()


async def rewind(call: SidecarCall, request: pb.RewindInstanceRequest) -> pb.RewindInstanceResponse:
    await call.client.rewind(request.instanceId, text_of(request, "reason"))
    return pb.RewindInstanceResponse()


async def restart(call: SidecarCall, request: pb.RestartInstanceRequest) -> pb.RestartInstanceResponse:
    state = await call.client.get(request.instanceId, fetch_output=False)
    if state is None:
        raise InstanceNotFound(request.instanceId)
    if not state.runtime_status.is_terminal:
        text = f"The instance '{state.instance_id}' has not ended: its status is {state.runtime_status.name}."
        raise CallRefused(StatusCode.FAILED_PRECONDITION, text)
    started = await call.client.start(
        state.name,
        instance_id=None if request.restartWithNewInstanceId else state.instance_id,
        input=state.input,
        version=state.version or None,
        tags=state.tags,
        replaceable=None if request.restartWithNewInstanceId else frozenset({state.runtime_status}),
        is_of_v2=identity.is_started_by_v2(state.execution_id),
    )
    return pb.RestartInstanceResponse(instanceId=started)


async def _answer(call: SidecarCall, state: InstanceState | None, with_payloads: bool) -> pb.GetInstanceResponse:
    if state is None:
        return pb.GetInstanceResponse(exists=False)
    message = await orchestration_state(call.client, state, with_payloads=with_payloads)
    return pb.GetInstanceResponse(exists=True, orchestrationState=message)


async def _terminate_children(call: SidecarCall, instance_id: str, reason: str | None) -> None:
    """Terminate everything that runs below the instance, as far as its history shows now."""
    for child in await children(call, instance_id):
        try:
            await call.client.terminate(child, reason)
        except (InstanceEnded, InstanceNotFound):
            continue
        await _terminate_children(call, child, reason)


async def children(call: SidecarCall, instance_id: str) -> list[str]:
    """Return the instances that this one has started, in order and once each."""
    history = await call.client.history(instance_id)
    named = (event.instance_id for event in history if isinstance(event, SubOrchestrationInstanceCreated))
    return list(dict.fromkeys(named))
