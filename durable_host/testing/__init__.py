"""What the tests of an app use: its durable functions in virtual time, which moves when the test says so.

`func exec -- pytest` gives tests a whole running host instead.
"""

from durable_host.testing.replay import ReplayFailed
from durable_host.testing.virtual_clock import VirtualClock
from durable_host.testing.virtual_host import Instance, StillRunning, VirtualHost

__all__ = ["Instance", "ReplayFailed", "StillRunning", "VirtualClock", "VirtualHost"]
