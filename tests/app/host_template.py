"""A process that has imported the product. Hosts are forked from it, which saves each of them most of its CPU time.

Only on Linux. A host that needs another interpreter than the tests have, and every host while coverage is measured,
is started as usual. `python host_template.py` with a socket as its standard input is that process. Tests of apps are
forked from another one, `python host_template.py pytest`, which has imported pytest and the test kit too.
"""

import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import worker_template
from worker_template import (
    MOST_BYTES,
    WorkerTemplate,
    end_at_once,
    end_with,
    fork_sibling,
    fork_template,
    is_of_interpreter,
    run_worker,
)

MODULES = (
    "aiohttp.web",
    "anyio._backends._asyncio",
    "durable_host.cli.console",
    "durable_host.cli.first_build",
    "durable_host.cli.presenter",
    "durable_host.cli.start",
    "durable_host.config.exposure",
    "durable_host.config.project",
    "durable_host.durable.taskhub.azure",
    "durable_host.durable.taskhub.sqlite",
    "durable_host.host.composition",
    "encodings.idna",
    "encodings.utf_8_sig",
    "uvloop",
    "watchfiles",
)
OF_TESTS = ("pytest", "unittest")
"""Programs that are forked from a process with the following modules too."""
OF_PYTEST = (
    "durable_host.testing",
    "durable_host.testing.function_app",
    "durable_host.testing.live_function_app",
    "durable_host.testing.pytest_plugin",
    "pytest",
    "pytest_asyncio.plugin",
    "unittest.main",
)
_OWN_SETTINGS = ("PYTHONPATH", "PYTHONUNBUFFERED")
"""Settings of the interpreter that the template has too, or that only workers read."""
_OF_TESTS = dict(os.environ)
ORDERS = 3
"""The descriptor in a host of the socket for workers of other environments."""
_LOCK = threading.Lock()
_templates: "dict[tuple[str, ...], tuple[subprocess.Popen[bytes], socket.socket]]" = {}


class ForkedHost:
    """As much of `subprocess.Popen` as tests of a host need."""

    def __init__(self, pid: int, stdout: IO[str], end: int) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None
        self._end = end
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send the signal if the host is still running."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, in any thread. Raises subprocess.TimeoutExpired.

        If the template has ended, nothing reports the end of the host, so it is killed.
        """
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired("a forked host", timeout or 0)
        with self._lock:
            if self.returncode is None:
                if code := os.read(self._end, 20):
                    self.returncode = int(code)
                else:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(self.pid, signal.SIGKILL)
                    self.returncode = -signal.SIGKILL
        return self.returncode

    def __del__(self) -> None:
        os.close(self._end)

    def _has_ended(self, timeout: float | None) -> bool:
        return self.returncode is not None or bool(select.select([self._end], [], [], timeout)[0])


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a program with this environment may come from the template."""
    changed = {name for name, _ in environment.items() ^ _OF_TESTS.items()}
    return (
        sys.platform == "linux"
        and "COVERAGE_PROCESS_CONFIG" not in os.environ
        and not any(is_of_interpreter(name) and name not in _OWN_SETTINGS for name in changed)
    )


def fork_host(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    errors: int | None = None,
    *,
    program: str = "durable_host",
    inherited: Sequence[int] = (),
) -> ForkedHost:
    """Run `func` with these arguments in its own session, with stderr in its stdout, or in the descriptor `errors`.

    Other programs are `pytest`, `unittest`, and Python code as for `python -c`. The program has the descriptor
    `inherited`, with the same number.
    """
    sys.audit("subprocess.Popen", sys.executable, list(arguments), folder, environment)
    output, written = os.pipe()
    end, ended = os.pipe()
    request = {
        "program": program,
        "arguments": arguments,
        "folder": str(folder),
        "environment": dict(environment),
        "inherited": inherited,
    }
    descriptors = [written, ended, written if errors is None else errors, *inherited]
    try:
        with _LOCK:
            pid = _ask(json.dumps(request).encode(), descriptors, *(("pytest",) if program in OF_TESTS else ()))
    except BaseException:
        os.close(output)
        os.close(end)
        raise
    finally:
        os.close(written)
        os.close(ended)
    return ForkedHost(pid, open(output, encoding="utf-8", errors="replace"), end)


def fork_worker_template() -> socket.socket:
    """A template of workers that are children of this process: see `WorkerTemplate.serve`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, _LOCK:
        _ask(b"null", [theirs.fileno()])
    return ours


def order_worker(request: bytes, descriptors: list[int]) -> None:
    """Start a worker of another environment: see `WorkerTemplate.serve_others`."""
    with _LOCK:
        _order(_template()[1], request, descriptors)


def _order(template: socket.socket, request: bytes, descriptors: list[int]) -> None:
    socket.send_fds(template, [request], descriptors)


def _ask(request: bytes, descriptors: list[int], *of: str) -> int:
    """Send the request and return the process ID of the host. After a failure, the next host gets a new template."""
    try:
        _, template = _template(*of)
        socket.send_fds(template, [request], descriptors)
        return int(template.recv(20))
    except BaseException:
        _templates.pop(of, None)
        raise


def _template(*of: str) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """The process and the socket to it: that of hosts, or that of `pytest`."""
    if of not in _templates:
        _templates[of] = _start(sys.executable, __file__, *of)
    return _templates[of]


def _start(python: str, *program: str) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """A program with one end of a socket as its standard input. It ends when this process does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        environment = {**_OF_TESTS, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen([python, *program], stdin=theirs.fileno(), env=environment, start_new_session=True)
    return process, ours


class _Orders:
    """Workers of other environments: pytest and the forked hosts order them, and their templates start them."""

    def __init__(self) -> None:
        self.socket, self.of_hosts = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._templates: dict[str, socket.socket] = {}

    def pass_on(self, python: str, request: bytes, descriptors: list[int]) -> None:
        """Order a worker. If the template has ended, for example because an SDK is missing, nothing answers."""
        if python not in self._templates:
            self._templates[python] = _start(python, worker_template.__file__)[1]
        with contextlib.suppress(OSError):
            socket.send_fds(self._templates[python], [request], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    def forget(self) -> None:
        """Detach in a process that was forked from this one: it will reuse the numbers of these descriptors."""
        for each in (self.socket, self.of_hosts, *self._templates.values()):
            each.detach()


class _Server:
    """Forks a host for each request, and reports when it ends."""

    def __init__(self, requests: socket.socket, workers: WorkerTemplate, orders: _Orders) -> None:
        self._template = os.getpid()
        self._requests = requests
        self._workers = workers
        self._orders = orders
        self._ends: dict[int, tuple[int, int]] = {}
        """By the descriptor of a process: its ID, and the descriptor to which its exit code is written."""
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)
        self._poll.register(orders.socket, select.POLLIN)

    def serve(self) -> dict[str, Any] | None:
        """Serve until the tests end, which also ends the hosts that are still running.

        Returns the request in each host, and None in workers that have ended and at the end of the tests.
        """
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._ends:
                    self._report_end(descriptor)
                    continue
                source = self._requests if descriptor == self._requests.fileno() else self._orders.socket
                text, descriptors, _, _ = socket.recv_fds(source, MOST_BYTES, 4)
                if not text:
                    return None
                request = json.loads(text)
                if request and "python" in request:
                    self._orders.pass_on(request["python"], text, descriptors)
                elif pid := os.fork() if request else fork_sibling():
                    self._watch(pid, descriptors, is_host=bool(request))
                else:
                    self._become(request, descriptors)
                    return request

    def _report_end(self, process: int) -> None:
        self._poll.unregister(process)
        pid, ended = self._ends.pop(process)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            os.write(ended, str(code).encode())
        os.close(ended)
        os.close(process)

    def _watch(self, pid: int, descriptors: Sequence[int], *, is_host: bool) -> None:
        """In the template: answer the request, and wait for the end of a host."""
        os.close(descriptors[0])
        if is_host:
            for descriptor in descriptors[2:]:
                os.close(descriptor)
            process = os.pidfd_open(pid)
            self._ends[process] = pid, descriptors[1]
            self._poll.register(process, select.POLLIN)
        self._requests.send(str(pid).encode())

    def _become(self, request: dict[str, Any] | None, descriptors: Sequence[int]) -> None:
        """In the new process: become a host, or serve as a template of workers until there is no more to do."""
        self._requests.detach()
        of_hosts = self._orders.of_hosts.fileno()
        self._orders.forget()
        if request:
            end_with(self._template)
            _become_host(descriptors[0], descriptors[2], of_hosts, descriptors[3:], request["inherited"])
        else:
            self._workers.serve(_keep_only(descriptors[0]))
            run_worker()


def _become_host(output: int, errors: int, orders: int, given: Sequence[int], inherited: Sequence[int]) -> None:
    """What `subprocess.Popen` does between fork and exec. The `given` descriptor becomes the `inherited` one."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(errors, 2)
    _read_nothing()
    os.dup2(orders, ORDERS)
    first = ORDERS + 1
    for descriptor, number in zip(given, inherited, strict=True):
        os.dup2(descriptor, number)
        os.set_inheritable(number, True)
        os.closerange(first, number)
        first = number + 1
    os.closerange(first, 1 << 10)


def _keep_only(requests: int) -> socket.socket:
    """Close all other sockets and pipes of the process that this one was forked from."""
    _read_nothing()
    os.dup2(requests, 3)
    os.closerange(4, 1 << 10)
    return socket.socket(fileno=3)


def _read_nothing() -> None:
    with open(os.devnull, encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 0)


def _import_pytest() -> None:
    """Import pytest and its plugins, without the warning that it cannot rewrite the assertions of these modules."""
    from _pytest.assertion.rewrite import AssertionRewritingHook
    from _pytest.config import default_plugins

    for module in (*OF_PYTEST, *(f"_pytest.{name}" for name in default_plugins)):
        importlib.import_module(module)
    AssertionRewritingHook._warn_already_imported = lambda *_: None  # type: ignore[method-assign]


def main() -> None:
    import gc

    import forked_workers

    del sys.path[0]
    template = WorkerTemplate()
    template.hide_sdks()
    for module in MODULES:
        importlib.import_module(module)
    if sys.argv[1:]:
        _import_pytest()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=os.dup(0)) as requests:
        request = _Server(requests, template, _Orders()).serve()
    if request is None:
        return
    workers = fork_template(template)
    if workers is None:
        run_worker()
        return
    orders = socket.socket(fileno=ORDERS)
    forked_workers.install(
        lambda: workers, lambda request, descriptors: socket.send_fds(orders, [request], descriptors)
    )
    if request["program"] == "pytest":  # it starts workers in another thread
        forked_workers.prepare()
    _run_program(request)


def _run_program(request: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    sys.argv[1:] = request["arguments"]
    sys.path.insert(0, request["folder"])
    try:
        if request["program"] in ("durable_host", *OF_TESTS):
            runpy.run_module(request["program"], run_name="__main__", alter_sys=True)
        else:
            sys.argv[0] = "-c"
            exec(request["program"], {"__name__": "__main__"})
    except SystemExit as ending:
        if ending.code is not None and not isinstance(ending.code, int):
            print(ending.code, file=sys.stderr)
        end_at_once(ending.code if isinstance(ending.code, int) else int(ending.code is not None))


if __name__ == "__main__":
    main()
