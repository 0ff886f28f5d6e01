"""Runs a timer-triggered function.

Source: docs/protocol/functions-host-timers.md#timer-runs,
    docs/protocol/functions-host-timers.md#timer-lock,
    docs/protocol/functions-host-timers.md#timer-payload
"""

import logging

from durable_host.clock import Clock
from durable_host.errors import HostError
from durable_host.invocation.datum import json_text
from durable_host.invocation.errors import FunctionFailed
from durable_host.invocation.invoker import Invoker, Outcome
from durable_host.invocation.metadata import Binding, FunctionMetadata
from durable_host.storage.blobs import BlobService
from durable_host.storage.errors import StorageError
from durable_host.triggers.listener_lock import ListenerLock
from durable_host.triggers.timer.listener import TimerListener
from durable_host.triggers.timer.monitor_store import BlobMonitorStore
from durable_host.triggers.timer.schedule import TimerSchedule, parse_schedule
from durable_host.triggers.timer.timer_info import TimerRun, reason, timer_info
from durable_host.triggers.timer.zone import Zone

_log = logging.getLogger("Host.Triggers.Timer")


class TimerTrigger:
    """The trigger of one function; `listener` fires it. `service` is the host's blob service, None without an account.

    Raises InvalidSchedule.
    """

    def __init__(
        self,
        function: FunctionMetadata,
        invoker: Invoker,
        *,
        zone: Zone,
        clock: Clock,
        service: BlobService | None,
        host_id: str,
        instance_id: str = "",
    ) -> None:
        self.function = function
        self._invoker = invoker
        self._zone = zone
        self._schedule = schedule_of(function.trigger, zone)
        monitor = lock = None
        if service is not None:
            lock = ListenerLock(service, host_id, f"Host.Functions.{function.name}.Listener", instance_id=instance_id)
            if uses_monitor(function.trigger, self._schedule):
                monitor = BlobMonitorStore(service, host_id, function.name, zone)
        self.listener = TimerListener(
            function=function.name,
            schedule=self._schedule,
            zone=zone,
            run=self.run,
            clock=clock,
            monitor=monitor,
            lock=lock,
            run_on_startup=runs_on_startup(function.trigger),
        )

    async def run(self, run: TimerRun) -> None:
        """Run the function. Raises an exception if it fails; the invoker has logged it."""
        try:
            await invoke_timer(
                self._invoker,
                self.function,
                timer_info(self._schedule, self._zone, run.status, is_past_due=run.is_past_due),
                reason=reason(run, self._zone),
                details=run.unscheduled,
            )
        except (FunctionFailed, HostError):
            raise
        except Exception:
            _log.exception("The timer '%s' could not be run.", self.function.name)
            raise


async def invoke_timer(
    invoker: Invoker,
    function: FunctionMetadata,
    info: str,
    *,
    reason: str,
    details: str | None = None,
    invocation_id: str | None = None,
) -> Outcome:
    """One invocation with the JSON text of its `TimerRequest`."""
    return await invoker.invoke(
        function,
        trigger_value=json_text(info),
        trigger_metadata={"TimerTrigger": info},
        binding_data={"TimerTrigger": info, function.trigger.name: info},
        reason=reason,
        details=details,
        invocation_id=invocation_id,
    )


async def stored_info(
    function: FunctionMetadata, schedule: TimerSchedule, zone: Zone, service: BlobService | None, host_id: str
) -> str:
    """The `TimerRequest` for a manual run, with the saved status if there is one."""
    status = None
    if service is not None and uses_monitor(function.trigger, schedule):
        try:
            status = await BlobMonitorStore(service, host_id, function.name, zone).read()
        except StorageError as error:
            _log.warning("The status of the timer '%s' cannot be read now: %s", function.name, error)
    return timer_info(schedule, zone, status, is_past_due=False)


def schedule_of(trigger: Binding, zone: Zone) -> TimerSchedule:
    """Raises InvalidSchedule."""
    return parse_schedule(trigger.text("schedule") or "", zone)


def uses_monitor(trigger: Binding, schedule: TimerSchedule) -> bool:
    """Whether the status is saved: not if this is disabled, or if the schedule fires more than once a minute."""
    return schedule.allows_monitor and _flag(trigger, "useMonitor", True)


def runs_on_startup(trigger: Binding) -> bool:
    """Whether the timer runs at startup. A reload of the app counts as a startup."""
    return _flag(trigger, "runOnStartup", False)


def _flag(trigger: Binding, name: str, default: bool) -> bool:
    value = trigger.properties.get(name)
    return default if value is None else str(value).strip().lower() == "true"
