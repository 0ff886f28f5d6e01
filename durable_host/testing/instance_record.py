"""The state of an instance at one moment."""

from datetime import datetime
from typing import Any

import msgspec

from durable_host import timestamp
from durable_host.durable.model.instance import InstanceState
from durable_host.testing.json_values import received_value, value_of


class StillRunning(AssertionError):
    """An instance does not get where a test waits for it to be; the text describes its state."""


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """The current state of an instance.

    `status` is Pending, Running, Suspended, Completed, Failed, Terminated or Canceled. Input, output and custom status
    are decoded from their JSON. Times are virtual, in UTC.
    """

    instance_id: str
    name: str
    status: str
    input: Any
    output: Any
    custom_status: Any
    created: datetime
    last_updated: datetime


def instance_of(state: InstanceState, *, encodes_twice: bool) -> Instance:
    """The record of a row. `encodes_twice`: see `json_values.received_value`."""
    return Instance(
        instance_id=state.instance_id,
        name=state.name,
        status=state.runtime_status.name,
        input=received_value(state.input, encodes_twice=encodes_twice),
        output=value_of(state.output),
        custom_status=value_of(state.custom_status),
        created=timestamp.to_datetime(state.created_time),
        last_updated=timestamp.to_datetime(state.last_updated_time),
    )
