"""The durable SDK of the tests does without `openai-agents`, in their own process and in those they start."""

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
