"""The composition root: builds everything from one frozen configuration, starts it, serves and stops it."""

from durable_host.host.process_lifetime import run_host

__all__ = ["run_host"]
