"""Child processes under batch scheduling."""

import os
import subprocess
import sys

import pytest

from durable_host.batch_scheduling import schedule_as_batch

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform != "linux", reason="batch scheduling is Linux's")]

TELL = "import os; print(os.sched_getscheduler(0), flush=True)"
ASK = f"import subprocess, sys, threading; input(); {TELL}; threading.Thread(target=lambda: exec({TELL!r})).start(); "
ASK += f"subprocess.run([sys.executable, '-c', {TELL!r}])"


def test_a_process_its_threads_and_its_children_are_moved() -> None:
    child = subprocess.Popen([sys.executable, "-c", ASK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    schedule_as_batch(child.pid)
    output, _ = child.communicate("\n")
    assert output.split() == [str(os.SCHED_BATCH)] * 3
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_a_process_that_has_ended_is_no_error() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    schedule_as_batch(child.pid)
