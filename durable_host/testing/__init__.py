"""What the tests of an app use: time that moves when the test says so."""

from durable_host.testing.virtual_clock import VirtualClock

__all__ = ["VirtualClock"]
