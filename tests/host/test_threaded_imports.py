"""Two threads of the host that import a package and one of its modules."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys, threading, time
from importlib.machinery import PathFinder
from durable_host.host import threaded_imports
from durable_host.host.threaded_imports import import_in_turn

PACKAGE = "durable_host.durable.taskhub.azure"
errors = []


def run(name):
    try:
        import_in_turn(name)
    except BaseException as error:
        errors.append(f"{name}: {type(error).__name__}: {error}")


second = threading.Thread(target=run, args=("durable_host.dashboard.dashboard_routes",))


def is_blocked():
    frame = sys._current_frames()[second.ident]
    return frame.f_code.co_name == "acquire" or (
        frame.f_code is import_in_turn.__code__ and threaded_imports._turn.locked()
    )


class Pause:
    '''Within the import of the package, lets the other thread import until it has to wait.'''

    def find_spec(self, name, path=None, target=None):
        if name == PACKAGE + ".hub":
            sys.meta_path.remove(self)
            second.start()
            while not is_blocked():
                time.sleep(0.001)
        return None


sys.meta_path.insert(0, Pause())
run(PACKAGE)
second.join()
print(errors)
"""


@pytest.mark.process
def test_both_threads_get_complete_modules() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "[]\n"
