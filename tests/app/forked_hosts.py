"""Forks the hosts that `func exec` and live apps start in this process: see `host_template.py`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from host_template import ORDERS, can_fork, fork_host


def install() -> None:
    """Fork each host that can be forked. It inherits at most one descriptor from this process."""
    from durable_host.host import host_process

    start = host_process.start_process

    def start_process(
        program: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        inherited: Sequence[int],
        errors: IO[bytes] | None,
    ) -> Any:
        if not can_fork(environ) or len(inherited) > 1 or any(number <= ORDERS for number in inherited):
            return start(program, arguments, environ, folder, inherited, errors)
        written = sys.__stderr__ if errors is None else errors
        return fork_host(
            arguments, folder, environ, 2 if written is None else written.fileno(), program=program, inherited=inherited
        )

    host_process.start_process = start_process
