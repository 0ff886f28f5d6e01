"""For tests of apps: runs durable functions in virtual time, which the test controls.

To test with a whole running host instead, use `func exec -- pytest`.
"""

from durable_host.durable.engine.history_replay import ReplayFailed
from durable_host.testing.replays import assert_replays
from durable_host.testing.virtual_clock import VirtualClock
from durable_host.testing.virtual_host import Instance, StillRunning, VirtualHost

__all__ = ["Instance", "ReplayFailed", "StillRunning", "VirtualClock", "VirtualHost", "assert_replays"]
