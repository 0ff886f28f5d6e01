"""Checks whether a port is free, and finds the process that uses it.

`holder` reads /proc on Linux and runs `lsof` (macOS) or `netstat` (Windows). If it finds no process, the error names
only the port.
"""

import contextlib
import errno
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import msgspec

from durable_host.errors import PortError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Addresses that only this machine can reach."""

_LISTENING = "0A"
_NOT_OF_THIS_MACHINE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class PortHolder(msgspec.Struct, frozen=True):
    """A process that listens on a port. `command` is its command line, as far as known."""

    pid: int
    command: str


def check(address: str, port: int) -> None:
    """Raise PortError, with the process that uses the port, if the host cannot listen on `address`:`port`."""
    problem = unavailable(address, port)
    if problem is not None:
        raise port_error(address, port, problem)


def unavailable(address: str, port: int) -> OSError | None:
    """Why the host cannot listen on `address`:`port`, or None if it can. Port 0 (any free port) is always possible."""
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        return error
    for family, kind, protocol, _, target in found:
        with socket.socket(family, kind, protocol) as probe:
            if sys.platform != "win32":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(target)
                probe.listen(1)
            except OSError as error:
                return error
    return None


@contextlib.contextmanager
def reserved(address: str) -> Generator[int]:
    """A free port for a server that starts to listen later.

    On Linux no other process that picks a free port gets it until the block ends. On other systems it is only free now.
    """
    is_kept = sys.platform == "linux"
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as holding:
        if is_kept:
            holding.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holding.bind((address, 0))
        port: int = holding.getsockname()[1]
        if not is_kept:
            holding.close()
        yield port


def port_error(address: str, port: int, problem: OSError) -> PortError:
    """The error if the host cannot listen on an address because of `problem`."""
    if isinstance(problem, socket.gaierror) or problem.errno in _NOT_OF_THIS_MACHINE:
        return PortError(
            f"Cannot listen on {address}: it is not an address of this machine.",
            remedy="Use --address 127.0.0.1, or 0.0.0.0 for all addresses of this machine.",
            code="DH3002",
        )
    owner = holder(port)
    if owner is None and isinstance(problem, PermissionError):
        return PortError(
            f"Port {port} is unavailable: this user may not listen on it.",
            cause=str(problem),
            remedy="Use a port above 1023: --port 7071",
            code="DH3002",
        )
    cause = str(problem)
    if owner is not None:
        cause = f"Process {owner.pid} listens on it: {owner.command}"
    return PortError(
        f"Port {port} is unavailable. Close the process using that port, or specify another port using --port [-p].",
        cause=cause,
        remedy=f"func start --port {port + 1 if port < 65535 else 7071}" + (f", or: kill {owner.pid}" if owner else ""),
    )


def holder(port: int) -> PortHolder | None:
    """The process that listens on TCP `port`; None if unknown."""
    try:
        if sys.platform == "linux":
            return _linux(port)
        if sys.platform == "darwin":
            return _lsof(port)
        if sys.platform == "win32":
            return _netstat(port)
    except (OSError, ValueError, subprocess.SubprocessError):
        pass
    return None


def _linux(port: int, proc: Path = Path("/proc")) -> PortHolder | None:
    inodes: set[str] = set()
    for table in ("net/tcp", "net/tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return None
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) in inodes:
                        words = (process / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                        return PortHolder(int(process.name), b" ".join(words).decode(errors="replace"))
    return None


def _lsof(port: int) -> PortHolder | None:
    listing = _output("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fp")
    pid = next((int(line[1:]) for line in listing.splitlines() if line.startswith("p")), None)
    if pid is None:
        return None
    return PortHolder(pid, _output("ps", "-o", "command=", "-p", str(pid)).strip())


def _netstat(port: int) -> PortHolder | None:
    for line in _output("netstat", "-ano", "-p", "TCP").splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[0] == "TCP" and fields[1].endswith(f":{port}") and fields[2].endswith(":0"):
            listing = _output("tasklist", "/FI", f"PID eq {fields[4]}", "/FO", "CSV", "/NH")
            return PortHolder(int(fields[4]), listing.split(",")[0].strip().strip('"'))
    return None


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
