"""The command line `func` (also `durable-host`): one module a command, listed in `program`."""

from durable_host.cli.program import main

__all__ = ["main"]
