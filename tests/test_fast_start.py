"""Test processes run without `openai-agents`, and with a single certificate."""

import subprocess
import sys
from pathlib import Path

import pytest

IMPORT = "import azure.durable_functions, sys; assert 'agents' not in sys.modules, 'agents was imported'"


def test_the_sdk_is_imported_without_agents() -> None:
    exec(IMPORT)


@pytest.mark.process
def test_the_sdk_is_imported_without_agents_in_another_process(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", IMPORT], cwd=tmp_path, check=True)


@pytest.mark.process
def test_one_certificate_is_loaded_in_another_process() -> None:
    code = "import ssl; assert len(ssl.create_default_context().get_ca_certs()) == 1"
    subprocess.run([sys.executable, "-c", code], check=True)
