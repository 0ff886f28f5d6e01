"""A process that has imported the worker and the SDKs. Workers are forked from it, as children of what starts them.

A worker that is started as usual spends nine tenths of its CPU time on these imports. Only on Linux, and only for
workers with an environment of the tests: see `can_fork`. These processes are forked from `host_template.py`: one for
each host, and one for pytest. Workers of other environments than pytest's are children of their template, which is
`python worker_template.py`.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import platform
import re
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from import_shelf import ImportShelf

ENTRY = Path(__file__).parents[2] / "durable_host" / "worker" / "__main__.py"
PACKAGE = "durable_host_worker"
OTHER_ENVIRONMENTS = "durable-host-tests"
"""The folder of environments with other SDKs, see `tests/user_cache.py`. Each has a template of its own."""
MOST_BYTES = 1 << 17
_CLONE = {"x86_64": 56, "aarch64": 220}.get(platform.machine())
_CLONE_PARENT = 0x8000
_LOST_OUTPUT = 120
"""The exit code of the interpreter when it cannot write what is left of the output."""
_PR_SET_PDEATHSIG = 1
_SETTINGS_OF_AZURE = frozenset(
    f"PYTHON_{name}"
    for name in (
        "ENABLE_DEBUG_LOGGING",
        "ENABLE_INIT_INDEXING",
        "ENABLE_WORKER_EXTENSIONS",
        "ISOLATE_WORKER_DEPENDENCIES",
        "SCRIPT_FILE_NAME",
        "THREADPOOL_THREAD_COUNT",
    )
)
_READ_AT_START = re.compile(r"LANG|LC_|LD_|MALLOC_|SSL_CERT|OTEL_")
"""Other variables that a process reads when it starts or imports the SDKs."""


def can_fork(command: Sequence[str], cwd: str, environment: Mapping[str, str], of_template: Mapping[str, str]) -> bool:
    """Whether a program is a worker that does the same as the template until it loads its app."""
    return (
        can_fork_any(of_template)
        and list(command) == [command[0], str(ENTRY)]
        and (command[0] == sys.executable or OTHER_ENVIRONMENTS in Path(command[0]).parts)
        and os.path.isdir(cwd)
        and _read_at_start(environment) == _read_at_start(of_template)
    )


def can_fork_any(environ: Mapping[str, str]) -> bool:
    """Whether this system can fork workers, and coverage is not measured."""
    return sys.platform == "linux" and _CLONE is not None and "COVERAGE_PROCESS_CONFIG" not in environ


def is_of_interpreter(name: str) -> bool:
    """Whether the interpreter may read the variable when it starts."""
    return name.startswith("PYTHON") and name not in _SETTINGS_OF_AZURE


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if (is_of_interpreter(name) or _READ_AT_START.match(name)) and name != "PYTHONUNBUFFERED"
    }


class WorkerTemplate:
    """What was imported, in a process that becomes the template, or one that forks it."""

    def __init__(self) -> None:
        before = set(sys.modules)
        _import_worker()
        worker = set(sys.modules) - before
        groups: list[dict[str, ModuleType]] = []
        for name in ("azure.functions", "azure.durable_functions"):
            seen = set(sys.modules)
            importlib.import_module(name)
            groups.append({name: sys.modules[name] for name in set(sys.modules) - seen if not _is_standard(name)})
        of_packages: dict[str, dict[str, ModuleType]] = {}
        of_durable: dict[str, ModuleType] = {}
        for name, module in groups.pop().items():
            is_durable = name.startswith("azure.durable_functions")
            (of_durable if is_durable else of_packages.setdefault(name.partition(".")[0], {}))[name] = module
        groups += [*of_packages.values(), of_durable]
        self._groups = groups
        self._kept = before | worker

    def hide_sdks(self) -> None:
        """Hide the SDKs from a program that continues in this process and is not a worker."""
        for name in [name for name in sys.modules if name == "azure" or name.startswith("azure.")]:
            del sys.modules[name]

    def serve(self, requests: socket.socket) -> None:
        """Fork a worker for each request, until the other end closes. Returns in the workers."""
        self._shelve()
        while True:
            text, descriptors, _, _ = socket.recv_fds(requests, MOST_BYTES, 3)
            if not text:
                os._exit(0)
            if not (pid := fork_sibling()):
                requests.detach()
                _become_worker(json.loads(text), descriptors)
                return
            for descriptor in descriptors:
                os.close(descriptor)
            requests.send(str(pid).encode())

    def serve_others(self, requests: socket.socket) -> None:
        """Like `serve`, with workers that are children of this process. The fourth descriptor of a request is a socket
        that the process ID is sent to, and later the exit code.
        """
        self._shelve()
        running: dict[int, tuple[int, socket.socket]] = {}
        poll = select.poll()
        poll.register(requests, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready != requests.fileno():
                    poll.unregister(ready)
                    pid, ended = running.pop(ready)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with ended, contextlib.suppress(OSError):
                        ended.send(str(code).encode())
                    os.close(ready)
                    continue
                text, descriptors, _, _ = socket.recv_fds(requests, MOST_BYTES, 4)
                if not text:
                    os._exit(0)
                if not (pid := os.fork()):
                    requests.detach()
                    for _, ended in running.values():
                        ended.detach()
                    _become_worker(json.loads(text), descriptors[:3])
                    return
                for descriptor in descriptors[:3]:
                    os.close(descriptor)
                process, answers = os.pidfd_open(pid), socket.socket(fileno=descriptors[3])
                with contextlib.suppress(OSError):
                    answers.send(str(pid).encode())
                running[process] = pid, answers
                poll.register(process, select.POLLIN)

    def _shelve(self) -> None:
        for name in [name for name in sys.modules if not (name in self._kept or _is_standard(name))]:
            del sys.modules[name]
        ImportShelf(self._groups)
        gc.collect()
        gc.freeze()


def run_worker() -> None:
    """The worker, in the process that `WorkerTemplate.serve` has returned in."""
    main = ModuleType("__main__")
    main.__file__ = str(ENTRY)
    sys.modules["__main__"] = main
    sys.argv[:] = [str(ENTRY)]
    importlib.import_module(f"{PACKAGE}.process").run()
    end_at_once(0)


def end_at_once(code: int) -> NoReturn:
    """End like the interpreter, but without cleaning up all imported modules, which takes longer than the start."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if not stream.closed:
                stream.flush()
        except (OSError, ValueError):
            code = _LOST_OUTPUT
    os._exit(code)


def fork_template(template: WorkerTemplate) -> socket.socket | None:
    """Fork a process that serves as the template, from one that has a single thread: the socket to it.

    None in the workers that come from it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    if os.fork():
        theirs.close()
        return ours
    ours.close()
    end_with(parent)
    template.serve(theirs)
    return None


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends for any reason. The parent has a single thread."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _is_standard(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names or top == "__main__"


def _import_worker() -> None:
    """All modules of the worker, as `durable_host/worker/__main__.py` does."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, ENTRY.with_name("__init__.py"), submodule_search_locations=[str(ENTRY.parent)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    for file in sorted(ENTRY.parent.glob("[a-z]*.py")):
        importlib.import_module(f"{PACKAGE}.{file.stem}")


def fork_sibling() -> int:
    """Like `os.fork`, but the new process is a child of this process's parent, which waits for it."""
    python, library = ctypes.pythonapi, ctypes.PyDLL(None)
    python.PyOS_BeforeFork()
    pid = library.syscall(_CLONE, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid:
        python.PyOS_AfterFork_Parent()
    else:
        python.PyOS_AfterFork_Child()
    return pid


def _become_worker(request: Mapping[str, object], descriptors: Sequence[int]) -> None:
    """What `subprocess.Popen` does between fork and exec."""
    environment, folder = request["environment"], request["folder"]
    assert isinstance(environment, dict)
    os.setsid()
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    os.closerange(3, 1 << 10)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(str(folder))


def main() -> None:
    """The template of another environment. Standard input is the socket of its requests."""
    del sys.path[0]
    with socket.socket(fileno=os.dup(0)) as requests:
        with open(os.devnull, encoding="utf-8") as nothing:
            os.dup2(nothing.fileno(), 0)
        WorkerTemplate().serve_others(requests)
    run_worker()


if __name__ == "__main__":
    main()
