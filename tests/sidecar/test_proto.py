"""gRPC is an extra: code that needs it says how to install it, and nothing else loads it."""

import subprocess
import sys

import pytest

from durable_host.durable import proto

pytestmark = pytest.mark.process

_WITHOUT = """
import sys
sys.modules[{missing!r}] = None
from durable_host.errors import HostError
try:
    from durable_host.durable import proto
except HostError as error:
    print(error.code, error.exit_code, error.remedy)
"""


@pytest.mark.parametrize("missing", ["grpc", "durabletask", "google.protobuf"])
def test_without_the_extra_the_error_names_the_command_that_installs_it(missing: str) -> None:
    told = _run(_WITHOUT.format(missing=missing))
    assert told == 'DH6011 6 Install it together with the host: pip install "durable-host[grpc]"'


def test_the_host_is_imported_without_grpc() -> None:
    code = (
        "import sys, durable_host.host.composition; print(sorted({'grpc', 'google', 'durabletask'} & {*sys.modules}))"
    )
    assert _run(code) == "[]"


def test_the_messages_are_those_of_the_sdk() -> None:
    assert proto.pb.OrchestratorRequest.DESCRIPTOR.full_name == "OrchestratorRequest"


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
