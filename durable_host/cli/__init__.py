"""The command line `func` (also `durable-host`): one module per command, listed in `program`."""

try:
    from durable_host.cli.program import main
except KeyboardInterrupt:  # Ctrl+C while the modules are read
    raise SystemExit(130) from None

__all__ = ["main"]
